/** `npm run eventstore-stand-in`: the stand-in alone, to try the platform on another kind of log. */
import { parseArgs } from 'node:util';
import { startEventStoreStandIn } from './stand-in.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '2113' } } });
const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`--port ${values.port}: give a whole number from 0 (any free port) to 65535`);
  process.exit(2);
}
const standIn = await startEventStoreStandIn({ port });
console.log(`EVENT_LOG_URL=${standIn.url}`);
console.log('It keeps events in memory: they are gone when it ends.');
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void standIn.close().then(() => process.exit(0)));
}
