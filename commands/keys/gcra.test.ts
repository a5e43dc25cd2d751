import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  admits,
  type Meter,
  type Rate,
  remainingUnits,
  resetSeconds,
  retryAfterSeconds,
  spent,
  usedNow,
} from './gcra.ts';

const rates: fc.Arbitrary<Rate> = fc.record({
  limit: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_000_000_000 })),
  windowSeconds: fc.integer({ min: 1, max: 31 * 86_400 }),
});
const steps = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 120_000 }), cost: fc.integer({ min: 0, max: 20 }) }),
  { maxLength: 60 },
);
const START_MS = 1_800_000_000_000;

/** Spends what is admitted; answers when, and how much. */
function play(rate: Rate, run: readonly { afterMs: number; cost: number }[]) {
  let meter: Meter | undefined;
  let nowMs = START_MS;
  const taken: { atMs: number; cost: number }[] = [];
  for (const { afterMs, cost } of run) {
    nowMs += afterMs;
    const used = usedNow(meter, rate, nowMs);
    if (!admits(used, rate, cost)) continue;
    meter = spent(meter, used, cost, nowMs);
    taken.push({ atMs: nowMs, cost });
  }
  return { meter, nowMs, taken };
}

describe('the meter of a limit', () => {
  test('in every span admits no more than the limit and what runs out of it in that span', () => {
    fc.assert(
      fc.property(rates, steps, (rate, run) => {
        const { taken } = play(rate, run);
        for (let from = 0; from < taken.length; from++) {
          let units = 0;
          for (let to = from; to < taken.length; to++) {
            units += taken[to]!.cost;
            const spanMs = taken[to]!.atMs - taken[from]!.atMs;
            const bound = rate.limit + (rate.limit * spanMs) / (rate.windowSeconds * 1000);
            assert.ok(units <= bound + 1e-3, `${units} units in ${spanMs} ms, ${bound} allowed`);
          }
        }
      }),
    );
  });

  test('admits exactly the limit at once, whatever the limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 31 * 86_400 }),
        (limit, windowSeconds) => {
          const one = Array.from({ length: limit + 5 }, () => ({ afterMs: 0, cost: 1 }));
          assert.equal(play({ limit, windowSeconds }, one).taken.length, limit);
        },
      ),
    );
  });

  test('what `remaining` promises is admitted, and one more is not', () => {
    fc.assert(
      fc.property(rates, steps, (rate, run) => {
        const { meter, nowMs } = play(rate, run);
        const used = usedNow(meter, rate, nowMs);
        const remaining = remainingUnits(used, rate);
        assert.equal(admits(used, rate, remaining), true);
        assert.equal(admits(used, rate, remaining + 1), false);
      }),
    );
  });

  test('is admitted when `retryAfter` said so, and whole when `reset` said so', () => {
    fc.assert(
      fc.property(rates, steps, fc.integer({ min: 1, max: 20 }), (rate, run, cost) => {
        const { meter, nowMs } = play(rate, run);
        const used = usedNow(meter, rate, nowMs);
        const waitSeconds = retryAfterSeconds(used, rate, cost);
        assert.equal(waitSeconds === null, cost > rate.limit);
        if (waitSeconds === null) return;
        assert.equal(admits(usedNow(meter, rate, nowMs + waitSeconds * 1000), rate, cost), true);
        assert.ok(usedNow(meter, rate, nowMs + resetSeconds(used, rate) * 1000) < 1e-3);
      }),
    );
  });

  test('a clock that goes back gives nothing', () => {
    const rate = { limit: 10, windowSeconds: 10 };
    const meter = spent(undefined, 0, 10, START_MS);
    assert.equal(usedNow(meter, rate, START_MS - 60_000), 10);
  });
});
