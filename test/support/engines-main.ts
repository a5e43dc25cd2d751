/**
 * `npm run engines`: real servers to try the platform with, each on a free port; `npm run engines -- kafka`
 * one of them, `npm run kafka` that one on the port that everybody knows. Prints the settings that lead there.
 * Ctrl-C stops them and removes their data.
 */
import { parseArgs } from 'node:util';
import { startKafka } from './kafka-server.ts';
import { startTestServer } from './postgres.ts';
import { startRedis } from './redis-server.ts';
import { without } from './servers.ts';

interface Engine {
  readonly setting: string;
  readonly stop: () => Promise<void>;
}

const starts: Readonly<Record<string, (port: number | undefined) => Promise<Engine>>> = {
  async postgres() {
    const { url, stop } = await startTestServer();
    return { setting: `DATABASE_URL=${url}`, stop };
  },
  async kafka(port) {
    const { brokers, stop } = await startKafka(port === undefined ? {} : { port });
    return { setting: `KAFKA_BROKERS=${brokers}`, stop };
  },
  async redis(port) {
    const { url, stop } = await startRedis(port === undefined ? {} : { port });
    return { setting: `REDIS_URL=${url}`, stop };
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(starts);
for (const name of names) {
  if (!Object.hasOwn(starts, name)) refuse(`${name}: give any of ${Object.keys(starts).join(', ')}`);
  const lacking = name === 'postgres' ? false : without(name as 'kafka' | 'redis');
  if (lacking !== false) refuse(`${name}: ${lacking}`);
}
if (values.port !== undefined && (names.length > 1 || names[0] === 'postgres')) {
  refuse('--port: give it with kafka or redis alone');
}
const port = values.port === undefined ? undefined : Number(values.port);
if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535)) {
  refuse(`--port ${values.port}: give a whole number from 1 to 65535`);
}

const engines = await Promise.all(names.map((name) => starts[name]!(port)));
for (const { setting } of engines) console.log(setting);
console.error('They keep nothing: their data go when this ends.');
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void Promise.all(engines.map(({ stop }) => stop())).then(() => process.exit(0));
  });
}
// Its output is read, and it lives until it is stopped.
setInterval(() => {}, 60_000);

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}
