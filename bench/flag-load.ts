/** A flag set read and compiled, against `@openfeature/flagd-core`, which can only take a set as a whole. */
import { FlagdCore } from '@openfeature/flagd-core';
import { compileFlag } from '../commands/flags/engine/compile-flag.ts';
import { compileFlagSet } from '../commands/flags/engine/flag-set.ts';
import { fiveRules, quiet } from './flag-cases.ts';
import { type Benchmark, interleave, quantile } from './harness.ts';

const FLAGS = 5_000;
const ROUNDS = 5;
const CHANGES = 1_000;
const MAX_CHANGE_MS = 1;

export const flagLoadBenchmark: Benchmark = {
  name: 'flag-load',
  unit: 'flags/s',
  bar: 4,
  passes: 'at least',
  says: `${FLAGS} flags of five rules and a rollout, from the text of their set to the first answer, against flagd-core`,
  async measure() {
    const flags = Object.fromEntries(Array.from({ length: FLAGS }, (_, n) => [`flag-${n}`, fiveRules(n)]));
    const text = JSON.stringify({ flags });
    const timed = async (load: () => void) => {
      const startMs = performance.now();
      load();
      return (FLAGS * 1_000) / (performance.now() - startMs);
    };
    const measured = await interleave({
      rounds: ROUNDS,
      subject: () => timed(() => compileFlagSet(JSON.parse(text))),
      yardstick: () => timed(() => new FlagdCore(undefined, quiet).setConfigurations(text)),
    });
    const changesMs = Array.from({ length: CHANGES }, (_, n) => {
      const changed = fiveRules(FLAGS + n);
      const startMs = performance.now();
      compileFlag(`flag-${n}`, changed);
      return performance.now() - startMs;
    });
    const p99 = quantile(changesMs, 0.99);
    return {
      ...measured,
      conditions: [
        {
          what: `one flag's change holds the process up for ${p99.toFixed(3)} ms at p99, at most ${MAX_CHANGE_MS}`,
          holds: p99 <= MAX_CHANGE_MS,
        },
      ],
    };
  },
};
