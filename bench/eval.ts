/** Evaluations in process, against `@openfeature/flagd-core` with its compiled rules: same flags, same contexts. */
import { FlagdCore } from '@openfeature/flagd-core';
import { compileFlagSet, resolve } from '../commands/flags/engine/flag-set.ts';
import { contexts, evalCases, quiet } from './flag-cases.ts';
import { type Benchmark, interleave } from './harness.ts';

const ROUNDS = 10;
const ROUND_MS = 150;
const MIN_EACH = 3;
const MIN_MEAN = 5;

export const evalBenchmark: Benchmark = {
  name: 'eval',
  unit: 'evaluations/s',
  bar: MIN_MEAN,
  passes: 'at least',
  says: 'one flag evaluated in process against flagd-core compiled: without rules, a rollout, five rules and a rollout; the geometric mean',
  async measure() {
    const ours = compileFlagSet({ flags: evalCases });
    const theirs = new FlagdCore(undefined, quiet);
    theirs.setConfigurations(JSON.stringify({ flags: evalCases }));
    const cases: { key: string; value: number; yardstick: number; ratio: number }[] = [];
    for (const key of Object.keys(evalCases)) {
      const same = contexts.every(
        (context) =>
          resolve(ours, key, 'boolean', context, 0).value ===
          theirs.resolveBooleanEvaluation(key, false, context, quiet).value,
      );
      if (!same) throw new Error(`the two evaluate ${key} unlike`);
      const { value, yardstick, ratio } = await interleave({
        rounds: ROUNDS,
        // The clock is read once for many, as for a request.
        subject: () => rate((context, now) => resolve(ours, key, 'boolean', context, now)),
        yardstick: () => rate((context) => theirs.resolveBooleanEvaluation(key, false, context, quiet)),
      });
      cases.push({ key, value, yardstick, ratio });
    }
    const mean = (of: 'value' | 'yardstick' | 'ratio') =>
      Math.exp(cases.reduce((sum, one) => sum + Math.log(one[of]), 0) / cases.length);
    return {
      value: mean('value'),
      yardstick: mean('yardstick'),
      ratio: mean('ratio'),
      conditions: cases.map(({ key, ratio }) => ({
        what: `${key}: ${ratio.toFixed(1)} times as fast, at least ${MIN_EACH}`,
        holds: ratio >= MIN_EACH,
      })),
      notes: cases.map(
        ({ key, value, yardstick }) =>
          `${key}: ${Math.round(1e9 / value)} ns an evaluation, flagd-core ${Math.round(1e9 / yardstick)} ns`,
      ),
    };
  },
};

async function rate(
  evaluate: (context: (typeof contexts)[number], nowMs: number) => unknown,
): Promise<number> {
  const startMs = performance.now();
  let [done, tookMs] = [0, 0];
  while (tookMs < ROUND_MS) {
    for (const context of contexts) evaluate(context, startMs);
    done += contexts.length;
    tookMs = performance.now() - startMs;
  }
  return (done * 1_000) / tookMs;
}
