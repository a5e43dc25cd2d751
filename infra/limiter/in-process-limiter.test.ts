import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limiterContract } from '../../test/contracts/limiter.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { InProcessLimiter } from './in-process-limiter.ts';

const burst = { name: 'burst', limit: 10, windowSeconds: 1, cost: 1 };

limiterContract('the in-process limiter', {}, async () => {
  const clock = fakeClock();
  return { limiter: new InProcessLimiter(clock), pass: (ms) => clock.advance(ms) };
});

describe('the in-process limiter', () => {
  it('gives back evenly over the window and says when to come again', async () => {
    const clock = fakeClock();
    const limiter = new InProcessLimiter(clock);
    assert.equal(limiter.take('t', 'k', [{ ...burst, cost: 10 }]).limits[0]!.resetSeconds, 1);
    assert.equal(limiter.take('t', 'k', [burst]).limits[0]!.retryAfterSeconds, 1);
    await clock.advance(99);
    assert.equal(limiter.take('t', 'k', [burst]).admitted, false);
    await clock.advance(1);
    assert.equal(limiter.take('t', 'k', [burst]).admitted, true);
    assert.equal(limiter.take('t', 'k', [burst]).admitted, false);
  });

  it('admits in any span no more than a full burst and what ran out meanwhile', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(
          fc.record({
            waitMs: fc.integer({ min: 0, max: 5_000 }),
            share: fc.double({ min: 0, max: 1, noNaN: true }),
          }),
          { maxLength: 200 },
        ),
        (limit, windowSeconds, calls) => {
          let nowMs = Date.parse('2026-01-01T00:00:00Z');
          const startMs = nowMs;
          const limiter = new InProcessLimiter({ now: () => nowMs, sleep: async () => {} });
          let admitted = 0;
          for (const { waitMs, share } of calls) {
            nowMs += waitMs;
            const cost = Math.ceil(share * limit);
            if (limiter.take('t', 'k', [{ name: 'n', limit, windowSeconds, cost }]).admitted)
              admitted += cost;
            const bound = limit + ((nowMs - startMs) / 1000 / windowSeconds) * limit;
            assert.ok(admitted <= bound + 1e-3, `${admitted} of ${bound}`);
          }
        },
      ),
    );
  });

  it('admits at once after exactly the seconds that it said', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 86_400 }),
        fc.nat(999),
        (limit, windowSeconds, offset) => {
          let nowMs = 1_767_225_600_000 + offset;
          const limiter = new InProcessLimiter({ now: () => nowMs, sleep: async () => {} });
          const all = { name: 'n', limit, windowSeconds, cost: limit };
          limiter.take('t', 'k', [all]);
          const cost = Math.ceil(limit / 2);
          const denied = limiter.take('t', 'k', [{ ...all, cost }]);
          nowMs += denied.limits[0]!.retryAfterSeconds! * 1000;
          assert.ok(limiter.take('t', 'k', [{ ...all, cost }]).admitted);
        },
      ),
    );
  });

  it('forgets only what has run out, and denies rather than forget more', async () => {
    const clock = fakeClock();
    const limiter = new InProcessLimiter(clock, 3);
    for (const k of ['a', 'b', 'c']) limiter.take('t', k, [{ ...burst, cost: 10 }]);
    assert.equal(limiter.take('t', 'd', [burst]).admitted, false);
    assert.equal(limiter.refusedFull, 1);
    assert.equal(limiter.take('t', 'a', [burst]).limits[0]!.remaining, 0, 'what was spent is still known');
    await clock.advance(1_000);
    assert.ok(limiter.take('t', 'd', [burst]).admitted);
    for (let i = 0; i < 10; i++) limiter.take('t', 'd', [{ ...burst, cost: 0 }]);
    assert.equal(limiter.meters, 1);
  });
});
