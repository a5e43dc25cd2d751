import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import fc from 'fast-check';
import type { Rate } from '../../commands/keys/gcra.ts';
import { type FakeClock, fakeClock, settled } from '../../test/support/fake-clock.ts';
import { ScriptMeter } from '../../test/support/script-meter.ts';
import { RedisFailure } from './redis-failure.ts';
import { openRedisLimiter, type RedisLimiter } from './redis-limiter.ts';
import type { RedisScript } from './script.ts';

/** `late`: carried out and not answered in time; `lost`: not carried out. */
type Reach = 'ready' | 'late' | 'lost' | 'away';

/** Processes that share one limit over one Redis, each with its own way to it. */
class World {
  readonly clock: FakeClock = fakeClock();
  readonly reaches: Reach[];
  readonly #rate: Rate;
  #meter = new ScriptMeter();
  #limiters: readonly RedisLimiter[] = [];

  constructor(processes: number, rate: Rate) {
    this.reaches = Array.from({ length: processes }, () => 'ready' as const);
    this.#rate = rate;
  }

  async open(): Promise<void> {
    const { clock } = this;
    mock.method(performance, 'now', () => clock.now());
    this.#limiters = this.reaches.map((_, i) =>
      openRedisLimiter({ redis: this.#way(i), clock, writer: `${i}` }),
    );
    await settled();
    for (const limiter of this.#limiters) assert.equal(limiter.gauges().processes, this.reaches.length);
  }

  async take(process: number, cost: number): Promise<boolean> {
    const spend = { name: 'n', ...this.#rate, cost };
    return (await this.#limiters[process]!.take('t', 'k', [spend])).admitted;
  }

  /** What all can spend at once now, unit by unit. */
  async drain(process: number): Promise<number> {
    let units = 0;
    while (await this.take(process, 1)) units += 1;
    return units;
  }

  all(reach: Reach): void {
    this.reaches.fill(reach);
  }

  forget(): void {
    this.#meter = new ScriptMeter();
  }

  async close(): Promise<void> {
    await Promise.all(this.#limiters.map((limiter) => limiter.close()));
    mock.restoreAll();
  }

  #way(process: number) {
    const carriedOut = (script: RedisScript, args: readonly (string | number)[]) => {
      if (script.name === 'processes') return this.reaches.length;
      const [limit, windowSeconds, need, want, back, backAtMs] = args.slice(1).map(Number);
      const ask = { limit: limit!, windowSeconds: windowSeconds!, need: need!, want: want! };
      const reply = this.#meter.run({ ...ask, back: back!, backAtMs: backAtMs! }, this.clock.now());
      return [reply.admitted ? 1 : 0, reply.nowMs, reply.used[0]!, reply.granted[0]!];
    };
    return {
      problem: () => null,
      state: () => (this.reaches[process] === 'away' ? ('away' as const) : ('ready' as const)),
      whenReady: async () => true,
      run: async (script: RedisScript, _: readonly string[], args: readonly (string | number)[]) => {
        const reach = this.reaches[process]!;
        const answer = reach === 'ready' || reach === 'late' ? carriedOut(script, args) : null;
        if (reach !== 'ready') throw new RedisFailure(reach, script.name, 'as the test has it');
        return answer;
      },
    };
  }
}

/** What the processes admit together by themselves. */
function sharesOf({ limit }: Rate, processes: number): number {
  return processes * Math.max(1, Math.floor(limit / processes));
}

const reach = fc.constantFrom<Reach>('ready', 'ready', 'late', 'lost', 'away', 'away');
const step = fc.record({
  process: fc.nat(3),
  waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 4_000 })),
  calls: fc.integer({ min: 1, max: 60 }),
  part: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.3, noNaN: true })),
  before: fc.oneof(
    fc.constant(null),
    fc.constant('forget' as const),
    fc.record({ all: fc.boolean(), reach }),
    fc.record({ all: fc.constant(true), reach: fc.constantFrom<Reach>('ready', 'away') }),
  ),
});

describe('what is spent around outages of Redis', () => {
  it('is at most the limit from Redis, a hundredth, the shares, what runs out, and the limit for each loss', async () => {
    let worst = 0;
    let local = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 400 })),
        fc.oneof(fc.integer({ min: 1, max: 120 }), fc.constant(86_400)),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 40 }),
        async (limit, windowSeconds, processes, steps) => {
          const rate = { limit, windowSeconds };
          const shares = sharesOf(rate, processes);
          const bound = limit + limit / 100 + shares;
          const perMs = (limit + shares) / (windowSeconds * 1000);
          const world = new World(processes, rate);
          await world.open();
          try {
            // Of all spans that end now, the one that comes closest to the bound: units above what runs out.
            let above = 0;
            for (const { process, waitMs, calls, part, before } of steps) {
              const at = process % processes;
              if (before === 'forget') {
                world.forget();
                above = Math.max(0, above - limit);
              } else if (before?.all) world.all(before.reach);
              else if (before !== null) world.reaches[at] = before.reach;
              if (world.reaches[at] !== 'ready') local += 1;
              await world.clock.advance(waitMs);
              above = Math.max(0, above - waitMs * perMs);
              const cost = Math.max(1, Math.floor(part * limit));
              for (let i = 0; i < calls; i++) if (await world.take(at, cost)) above += cost;
              worst = Math.max(worst, above / limit);
              assert.ok(above <= bound + 1e-3, `${above} of ${limit}, bound ${bound}`);
            }
          } finally {
            world.all('ready');
            await world.close();
          }
        },
      ),
      { numRuns: 200 },
    );
    assert.ok(worst > 1.5 && local > 300, `${worst} times the limit, ${local} times without Redis`);
  });

  const rate = { limit: 100, windowSeconds: 31 * 86_400 };
  const each = async (world: World, order: readonly number[]) => {
    let units = 0;
    for (const process of order) units += await world.drain(process);
    return units;
  };

  it('is twice the limit when it was away, and no more however often it goes', async () => {
    const world = new World(4, rate);
    await world.open();
    const units: number[] = [];
    const spend = async (reach: Reach) => {
      world.all(reach);
      // Until all have noticed.
      await world.clock.advance(1_000);
      units.push(await each(world, [0, 1, 2, 3]));
    };
    await spend('away');
    world.all('ready');
    await world.clock.advance(1_000);
    for (const reach of ['away', 'ready', 'away', 'ready', 'away'] as const) await spend(reach);
    assert.deepEqual(units, [100, 0, 100, 0, 0, 0]);
    await world.close();
  });

  it('is less than three times the limit when it comes back empty', async () => {
    const world = new World(4, rate);
    await world.open();
    const units = [await each(world, [0])];
    world.all('away');
    units.push(await each(world, [0, 1, 2, 3]));
    world.forget();
    world.all('ready');
    units.push(await each(world, [0, 1, 2, 3]));
    // The first process knew that all was spent, and the others did not.
    assert.deepEqual(units, [100, 75, 100]);
    await world.close();
  });
});
