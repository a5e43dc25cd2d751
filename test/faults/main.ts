/**
 * `npx node test/faults/main.ts [--kills N] [--seed S] [--log postgres|eventstore]
 * [--recovered-within-seconds T]`
 *
 * Kills the working relay and the active projector N times each under load, and does to Kafka, Redis and
 * Postgres what may happen to them; with the log on the stand-in for EventStoreDB, to the log alone. The last line is JSON; a failure prints its seed, and where it was.
 */
import { parseArgs } from 'node:util';
import { faultRun } from './fault-run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    log: { type: 'string', default: 'postgres' },
    'recovered-within-seconds': { type: 'string', default: '30' },
  },
});
const numbers = [values.kills, values.seed, values['recovered-within-seconds']].map(Number);
const [kills, seed, seconds] = numbers as [number, number, number];
const { log } = values;
if (!numbers.every((n) => Number.isInteger(n) && n >= 0) || (log !== 'postgres' && log !== 'eventstore')) {
  console.error(
    'Usage: npx node test/faults/main.ts [--kills N] [--seed S] [--log postgres|eventstore] [--recovered-within-seconds T]',
  );
  process.exit(1);
}

const startedMs = performance.now();
try {
  const tally = await faultRun({
    kills,
    seed,
    log,
    recoveredWithinMs: seconds * 1000,
    progress: (line) => console.log(`${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${line}`),
  });
  console.log(JSON.stringify(tally));
  if (tally.lost + tally.doubled > 0) process.exitCode = 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
