import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Meter, spent, usedNow } from '../../commands/keys/gcra.ts';
import { ScriptMeter } from '../../test/support/script-meter.ts';
import { LeaseBook } from './lease-book.ts';
import { leaseMs } from './leased-limit.ts';

const step = fc.record({
  process: fc.nat(3),
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3_000 })),
  calls: fc.integer({ min: 1, max: 40 }),
  cost: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 20 })),
  after: fc.constantFrom('nothing', 'nothing', 'nothing', 'give back', 'crash'),
});

describe('leases', () => {
  it('let through no more than the limit and what was taken just before, and deny nobody early', () => {
    let unasked = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 5_000 }),
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 60 }),
        (limit, windowSeconds, processes, steps) => {
          const rate = { limit, windowSeconds };
          const perMs = limit / (windowSeconds * 1000);
          const ahead = leaseMs(rate) * perMs;
          assert.ok(ahead <= limit / 100 + 1e-9);
          const redis = new ScriptMeter();
          const books = Array.from({ length: processes }, () => new LeaseBook(() => processes));
          let truth: Meter | undefined;
          let nowMs = 1_000_000;
          let admittedUnits = 0;
          for (const { process, waitMs, calls, cost, after } of steps) {
            nowMs += waitMs;
            const at = process % processes;
            const book = books[at]!;
            const spends = [{ name: 'n', ...rate, cost }];
            for (let i = 0; i < calls; i++) {
              let answer = book.take(['n'], spends, nowMs);
              if (answer === null) {
                const plan = book.plan(['n'], spends, nowMs);
                answer = book.settle(['n'], spends, plan, redis.run(plan[0]!.ask, nowMs), nowMs, nowMs);
              } else unasked += 1;
              const used = usedNow(truth, rate, nowMs);
              if (answer.admitted) {
                truth = spent(truth, used, cost, nowMs);
                admittedUnits += cost;
                assert.ok(used + cost <= limit + ahead + 1e-3, `${used} + ${cost} of ${limit}`);
              } else if (cost <= limit) {
                assert.ok(used + cost > limit / 2 - 1, `denied at ${used} + ${cost} of ${limit}`);
              }
            }
            assert.ok(admittedUnits <= limit + (nowMs - 1_000_000) * perMs + 1e-3, 'from the start, exactly');
            const leased = books.reduce((sum, of) => sum + of.leasedUnits, 0);
            assert.ok(leased <= limit / 2, `${leased} of ${limit} are leased`);
            if (after === 'give back') for (const { ask } of book.returns(nowMs)) redis.run(ask, nowMs);
            if (after === 'crash') books[at] = new LeaseBook(() => processes);
          }
          const spentInRedis = usedNow(redis.meter, rate, nowMs);
          assert.ok(spentInRedis >= usedNow(truth, rate, nowMs) - ahead - 1e-3, 'Redis knows of it');
        },
      ),
      { numRuns: 1_000 },
    );
    assert.ok(unasked > 1_000, `${unasked} calls asked nobody`);
  });

  it('are taken of no small limit, and by no one who asks now and then', () => {
    const redis = new ScriptMeter();
    const book = new LeaseBook(() => 1);
    const ask = (limit: number, nowMs: number) => {
      const spends = [{ name: 'n', limit, windowSeconds: 60, cost: 1 }];
      if (book.take([`n${limit}`], spends, nowMs) !== null) return null;
      const plan = book.plan([`n${limit}`], spends, nowMs);
      book.settle([`n${limit}`], spends, plan, redis.run(plan[0]!.ask, nowMs), nowMs, nowMs);
      return plan[0]!.ask.want;
    };
    assert.deepEqual(
      [0, 1, 2].map((ms) => ask(7, ms)),
      [0, 0, 0],
    );
    assert.deepEqual(
      [0, 5_000, 10_000].map((ms) => ask(100, ms)),
      [0, 0, 0],
    );
    assert.deepEqual(
      [20_000, 20_001, 20_002, 20_003, 20_004].map((ms) => ask(100, ms)),
      [0, 2, null, null, 4],
    );
  });

  it('go back when they expire, and with a limit that was changed', () => {
    const redis = new ScriptMeter();
    const book = new LeaseBook(() => 1);
    const take = (limit: number, nowMs: number) => {
      const spends = [{ name: 'n', limit, windowSeconds: 100_000, cost: 1 }];
      if (book.take(['n'], spends, nowMs)) return;
      const plan = book.plan(['n'], spends, nowMs);
      book.settle(['n'], spends, plan, redis.run(plan[0]!.ask, nowMs), nowMs, nowMs);
    };
    take(1_000, 0);
    take(1_000, 1);
    assert.equal(book.leasedUnits, 2);
    assert.deepEqual(book.returns(1_000), []);
    assert.deepEqual(
      book.returns(1_001).map(({ ask }) => [ask.limit, ask.back, ask.backAtMs]),
      [[1_000, 2, 1]],
    );
    assert.equal(book.leasedUnits, 0);
    take(1_000, 1_002);
    assert.equal(book.leasedUnits, 0, 'it needed none');
    for (const nowMs of [5_000, 5_001]) take(1_000, nowMs);
    assert.equal(book.leasedUnits, 2);
    take(500, 5_002);
    const [changed] = book.returns(5_002);
    assert.equal(changed!.ask.limit, 500);
    assert.ok(changed!.ask.back <= 2 && changed!.ask.back > 1.9);
  });

  it('know no more limits than there is room for', () => {
    const book = new LeaseBook(() => 1, 10);
    for (let i = 0; i < 50; i++) {
      const spends = [{ name: 'n', limit: 1_000, windowSeconds: 60, cost: 1 }];
      const plan = book.plan([`n${i}`], spends, 0);
      book.settle([`n${i}`], spends, plan, new ScriptMeter().run(plan[0]!.ask, 0), 0, 0);
    }
    assert.equal(book.knownLimits, 10);
  });
});
