import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admits, type Meter, spent, usedNow } from '../../commands/keys/gcra.ts';
import { Secret } from '../../schemas/secret.ts';
import { ownRedis } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { openRedis } from './connection.ts';
import { type GcraAsk, gcraArguments, gcraReply, gcraScript } from './gcra.ts';
import { redisScript } from './script.ts';

/** The same script on a clock that the test moves; its keys stay, for the server's clock goes on. */
const onOurClock = redisScript(
  'limits-on-our-clock',
  replaced(
    replaced(gcraScript.text, "redis.call('TIME')", '{ARGV[#ARGV - 1], ARGV[#ARGV]}'),
    "'PX', math.ceil(ms)",
    "'EX', 3600",
  ),
);

describe('the script of the limiter', { skip: without('redis') }, () => {
  it('agrees to the last bit with the arithmetic of the kernel, whatever is spent when', async (t) => {
    const server = await ownRedis(t);
    const redis = openRedis({ prefix: 'plinth', url: new Secret(server.url), deadlineMs: 20_000 });
    t.after(() => redis.close());
    assert.ok(await redis.whenReady(20_000));
    const rate = fc.record({
      limit: fc.integer({ min: 1, max: 1_000_000_000 }),
      windowSeconds: fc.integer({ min: 1, max: 31_536_000 }),
    });
    const call = fc.record({
      // Clocks go back, too.
      waitMs: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: -5_000, max: 40_000_000 })),
      take: fc.boolean(),
      shares: fc.array(fc.double({ min: 0, max: 1.1, noNaN: true }), { minLength: 3, maxLength: 3 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(rate, { minLength: 1, maxLength: 3 }),
        fc.array(call, { maxLength: 25 }),
        async (rates, calls) => {
          run += 1;
          const keys = rates.map((_, i) => `{${run}}${i}`);
          const meters = new Map<number, Meter>();
          let nowMs = 1_767_225_600_123;
          for (const { waitMs, take, shares } of calls) {
            nowMs += waitMs;
            const asks: GcraAsk[] = rates.map((of, i) => ({
              ...of,
              need: Math.ceil(shares[i]! * of.limit),
              ...nothingElse,
            }));
            const before = rates.map((of, i) => usedNow(meters.get(i), of, nowMs));
            const admitted = asks.every((ask, i) => admits(before[i]!, ask, ask.need));
            const args = gcraArguments(take ? 'take' : 'peek', asks);
            const clock = [Math.floor(nowMs / 1000), (nowMs % 1000) * 1000 + 999];
            const reply = gcraReply(await redis.run(onOurClock, keys, [...args, ...clock]));
            assert.deepEqual(reply, { admitted, nowMs, used: before, granted: rates.map(() => 0) });
            if (!take || !admitted) continue;
            for (const [i, { need }] of asks.entries()) {
              if (need > 0) meters.set(i, spent(meters.get(i), before[i]!, need, nowMs));
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('grants what is wanted from the first half alone, and takes back what has not run out since', async (t) => {
    const server = await ownRedis(t);
    const redis = openRedis({ prefix: 'plinth', url: new Secret(server.url), deadlineMs: 20_000 });
    t.after(() => redis.close());
    assert.ok(await redis.whenReady(20_000));
    const ask = async (second: number, more: Partial<GcraAsk>) => {
      const asks = [{ limit: 100, windowSeconds: 100, need: 0, ...nothingElse, ...more }];
      const reply = await redis.run(onOurClock, ['{a}'], [...gcraArguments('take', asks), second, 0]);
      const { used, granted, admitted } = gcraReply(reply);
      return [admitted, used[0], granted[0]];
    };
    assert.deepEqual(await ask(1_000, { need: 10, want: 30 }), [true, 0, 30]);
    assert.deepEqual(await ask(1_000, { need: 5, want: 30 }), [true, 40, 5]);
    assert.deepEqual(await ask(1_000, { need: 1, want: 30 }), [true, 50, 0]);
    assert.deepEqual(await ask(1_000, { need: 50, want: 30 }), [false, 51, 0]);
    // Ten seconds later ten units have run out: of 30 that come back unspent, 20 were still in the bucket.
    assert.deepEqual(await ask(1_010, { back: 30, backAtMs: 1_000_000 }), [true, 21, 0]);
    assert.deepEqual(await ask(1_010, { back: 30, backAtMs: 0 }), [true, 21, 0]);
    assert.deepEqual(await ask(1_010, { back: 30, backAtMs: 1_010_000 }), [true, 0, 0]);
    assert.equal(await server.cli('dbsize'), '0');
  });

  it('lets a meter expire when it has run out', async (t) => {
    const server = await ownRedis(t);
    const redis = openRedis({ prefix: 'plinth', url: new Secret(server.url), deadlineMs: 20_000 });
    t.after(() => redis.close());
    assert.ok(await redis.whenReady(20_000));
    const asks = [{ limit: 10, windowSeconds: 3_600, need: 5, ...nothingElse }];
    await redis.run(gcraScript, ['{a}'], gcraArguments('take', asks));
    const ttlMs = Number(await server.cli('pttl', 'plinth:{a}'));
    assert.ok(ttlMs > 1_700_000 && ttlMs <= 1_800_000, `${ttlMs}`);
    await redis.run(gcraScript, ['{b}'], gcraArguments('peek', asks));
    assert.equal(await redis.get('{b}'), null, 'a look leaves nothing behind');
  });
});

const nothingElse = { want: 0, back: 0, backAtMs: 0 };

function replaced(text: string, what: string, by: string): string {
  assert.equal(text.split(what).length, 2, `the script has one ${what}`);
  return text.replace(what, () => by);
}
