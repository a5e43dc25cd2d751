/** What every limiter must do, wherever it keeps its meters. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Limiter, LimitSpend } from '../../api/verify/limiter.ts';
import type { Cleanup } from '../support/postgres.ts';

export interface LimiterUnderTest {
  readonly limiter: Limiter;
  /** Lets so much time pass, and little more. */
  pass(ms: number): Promise<void>;
}

const burst = { name: 'burst', limit: 10, windowSeconds: 3_600, cost: 1 };
const daily = { name: 'daily', limit: 100, windowSeconds: 86_400, cost: 1 };
const large = { name: 'large', limit: 1_000_000, windowSeconds: 86_400, cost: 1 };

/** @param open a limiter that has spent nothing yet; what it opens it closes after `t` */
export function limiterContract(
  name: string,
  options: { readonly skip?: string | false },
  open: (t: Cleanup) => Promise<LimiterUnderTest>,
): void {
  describe(`${name} as every limiter`, { skip: options.skip ?? false }, () => {
    for (const limit of [33, 333]) {
      it(`admits exactly ${limit} of 1,000 calls at once`, async (t) => {
        const { limiter } = await open(t);
        const spends = [{ ...daily, limit }];
        const answers = await Promise.all(
          Array.from({ length: 1_000 }, async () => limiter.take('t', 'k', spends)),
        );
        assert.equal(answers.filter(({ admitted }) => admitted).length, limit);
      });
    }

    it('admits exactly the limit, whatever units calls cost, one after the other', async (t) => {
      const { limiter } = await open(t);
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 2_000 }),
          fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 150 }),
          async (limit, costs) => {
            run += 1;
            let left = limit;
            for (const cost of costs) {
              const spends = [{ ...daily, windowSeconds: 31 * 86_400, limit, cost }];
              const { admitted, limits } = await limiter.take('t', `key-${run}`, spends);
              assert.equal(admitted, cost <= left);
              if (admitted) left -= cost;
              assert.equal(limits[0]!.remaining, left);
            }
          },
        ),
        { numRuns: 20 },
      );
    });

    it('spends all named limits or none', async (t) => {
      const { limiter } = await open(t);
      assert.ok((await limiter.take('t', 'k', [burst, { ...daily, cost: 95 }])).admitted);
      const denied = await limiter.take('t', 'k', [burst, { ...daily, cost: 6 }]);
      assert.equal(denied.admitted, false);
      assert.deepEqual(
        denied.limits.map((l) => [l.name, l.admits, l.remaining]),
        [
          ['burst', true, 9],
          ['daily', false, 5],
        ],
      );
      assert.deepEqual(await remaining(limiter, [burst, daily]), [9, 5]);
    });

    it('looks without spending', async (t) => {
      const { limiter } = await open(t);
      for (let i = 0; i < 20; i++) {
        assert.ok((await limiter.peek('t', 'k', [{ ...burst, cost: 10 }])).admitted);
        assert.ok((await limiter.take('t', 'k', [{ ...burst, cost: 0 }])).admitted);
      }
      assert.equal((await limiter.peek('t', 'k', [{ ...burst, cost: 11 }])).admitted, false);
      assert.deepEqual(await remaining(limiter, [burst]), [10]);
    });

    it('looks and spends alike where calls are many', async (t) => {
      const { limiter } = await open(t);
      for (let i = 1; i <= 100; i++) {
        const { admitted, limits } = await limiter.take('t', 'k', [large]);
        assert.deepEqual([admitted, limits[0]!.remaining], [true, large.limit - i]);
        assert.deepEqual(await remaining(limiter, [large]), [large.limit - i]);
      }
    });

    it('never admits a cost above the limit, and says that waiting is useless', async (t) => {
      const { limiter } = await open(t);
      const denied = await limiter.take('t', 'k', [{ ...burst, cost: 11 }]);
      assert.deepEqual([denied.admitted, denied.limits[0]!.retryAfterSeconds], [false, null]);
    });

    it('admits again after the seconds that it said, and not much before', async (t) => {
      const { limiter, pass } = await open(t);
      const second = { name: 'second', limit: 4, windowSeconds: 2, cost: 4 };
      assert.equal((await limiter.take('t', 'k', [second])).limits[0]!.resetSeconds, 2);
      const denied = await limiter.take('t', 'k', [{ ...second, cost: 2 }]);
      assert.deepEqual([denied.admitted, denied.limits[0]!.retryAfterSeconds], [false, 1]);
      await pass(1_000);
      assert.ok((await limiter.take('t', 'k', [{ ...second, cost: 2 }])).admitted);
      assert.equal((await limiter.take('t', 'k', [{ ...second, cost: 2 }])).admitted, false);
    });

    it('keeps tenants, keys and names apart', async (t) => {
      const { limiter } = await open(t);
      for (const [tenant, key, name] of [
        ['t', 'k', 'a'],
        ['t', 'k', 'b'],
        ['t', 'l', 'a'],
        ['u', 'k', 'a'],
      ] as const) {
        assert.ok((await limiter.take(tenant, key, [{ ...burst, name, cost: 10 }])).admitted);
      }
    });

    it('takes a limit that was changed for what it is now', async (t) => {
      const { limiter, pass } = await open(t);
      for (let i = 0; i < 50; i++) await limiter.take('t', 'k', [{ ...daily, limit: 1_000 }]);
      // What was leased of the limit as it was may be on its way back, less what ran out meanwhile.
      for (let tries = 0; (await remaining(limiter, [{ ...daily, limit: 60 }]))[0]! < 9; tries++) {
        assert.ok(tries < 200);
        await pass(50);
      }
      assert.ok((await remaining(limiter, [{ ...daily, limit: 60 }]))[0]! <= 10);
      assert.equal((await limiter.take('t', 'k', [{ ...daily, limit: 40 }])).admitted, false);
    });

    it('says that what it spends counts for all', async (t) => {
      const { limiter } = await open(t);
      assert.equal(limiter.unshared(), null);
    });
  });
}

async function remaining(limiter: Limiter, spends: readonly LimitSpend[]): Promise<readonly number[]> {
  const { limits } = await limiter.peek(
    't',
    'k',
    spends.map((spend) => ({ ...spend, cost: 0 })),
  );
  return limits.map((limit) => limit.remaining);
}
