/** `npm run kafka`: a broker to try the platform with. Ctrl-C stops it and removes its data. */
import { parseArgs } from 'node:util';
import { startKafka } from './kafka-server.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '9092' } } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  console.error(`--port ${values.port}: give a whole number from 1 to 65535`);
  process.exit(2);
}
const server = await startKafka({ port });
console.log(`KAFKA_BROKERS=${server.brokers}`);
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void server.stop().then(() => process.exit(0));
  });
}
// Its output is read, and it lives until it is stopped.
setInterval(() => {}, 60_000);
