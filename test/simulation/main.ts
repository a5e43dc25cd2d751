/**
 * `npm run simulate -- [rule] [--schedules N] [--seed S]`
 *
 * Plays N schedules of every rule (or one), then each rule's twins until they are caught. A failure prints
 * its seed; `--seed <it> --schedules 1` replays it.
 */
import { parseArgs } from 'node:util';
import { type AnyRule, playSchedules } from './rule.ts';
import { rules } from './rules.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { schedules: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
});
const schedules = Number(values.schedules);
const seed = Number(values.seed);
const chosen = positionals.length === 0 ? rules : rules.filter((rule) => positionals.includes(rule.name));
if (!Number.isInteger(schedules) || schedules < 1 || !Number.isInteger(seed) || chosen.length === 0) {
  console.error(
    `Usage: npm run simulate -- [rule] [--schedules N] [--seed S]; rules: ${rules.map((r) => r.name).join(', ')}`,
  );
  process.exit(1);
}

export interface Tally {
  readonly rules: number;
  readonly schedules: number;
  readonly failures: number;
  readonly twins: number;
  readonly caught: number;
}

let failures = 0;
let played = 0;
let twins = 0;
let caught = 0;
for (const rule of chosen) {
  const started = performance.now();
  const result = await playSchedules(rule, rule.guards, seed, schedules);
  played += result.played;
  if (result.failure) {
    failures += 1;
    tell(rule, result.failure);
  }
  console.log(
    `${result.failure ? 'BROKEN' : 'holds '} ${rule.name.padEnd(16)} ${result.played} schedules, ${((performance.now() - started) / 1000).toFixed(1)} s: ${rule.says}`,
  );
  for (const twin of rule.twins) {
    twins += 1;
    const { failure, played: tries } = await playSchedules(
      rule,
      { ...rule.guards, ...twin.guards },
      seed,
      schedules,
    );
    if (failure) caught += 1;
    console.log(
      `  ${failure ? `caught at schedule ${tries}` : 'NOT CAUGHT'}: ${twin.name} (${failure ? failure.error.message.split('\n')[0]!.slice(0, 140) : twin.breaks})`,
    );
  }
}
const tally: Tally = { rules: chosen.length, schedules: played, failures, twins, caught };
console.log(JSON.stringify(tally));
process.exit(failures === 0 && caught === twins ? 0 : 1);

function tell(rule: AnyRule, failure: { seed: number; error: Error; trace: readonly string[] }): void {
  console.log(
    `${rule.name} broke at seed ${failure.seed}; replay: npm run simulate -- ${rule.name} --schedules 1 --seed ${failure.seed}`,
  );
  for (const line of failure.trace) console.log(`    ${line}`);
  console.log(failure.error.stack ?? failure.error.message);
}
