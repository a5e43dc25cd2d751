/**
 * `npx node test/crash/main.ts [--kills N] [--postgres-kills M] [--seed S]`
 *
 * Kills the process N times and its PostgreSQL M times under load. The last line is JSON; a failure prints
 * its seed, and where it was.
 */
import { parseArgs } from 'node:util';
import { crashRun } from './crash-run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    'postgres-kills': { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const [kills, postgresKills, seed] = [values.kills, values['postgres-kills'], values.seed].map(Number) as [
  number,
  number,
  number,
];
if (![kills, postgresKills, seed].every((n) => Number.isInteger(n) && n >= 0)) {
  console.error('Usage: npx node test/crash/main.ts [--kills N] [--postgres-kills M] [--seed S]');
  process.exit(1);
}

const startedMs = performance.now();
try {
  const { tally, wrong, hits, notRecovered } = await crashRun({
    kills,
    postgresKills,
    seed,
    progress: (line) => console.log(`${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${line}`),
  });
  for (const [where, count] of [...hits].sort()) console.log(`${String(count).padStart(5)} ${where}`);
  for (const one of wrong) console.error(`seed ${seed}: ${one}`);
  console.log(JSON.stringify(tally));
  const { lost, doubled, reordered, altered, differences } = tally;
  if (lost + doubled + reordered + altered + differences + notRecovered > 0) process.exitCode = 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
