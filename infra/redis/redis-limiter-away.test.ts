import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Limiter, LimitSpend } from '../../api/verify/limiter.ts';
import { Secret } from '../../schemas/secret.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import type { Cleanup } from '../../test/support/postgres.ts';
import { within20s } from '../../test/support/redis-connection.ts';
import { ownRedis, startRedisCluster } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock } from '../system-clock.ts';
import { openRedis, type RedisConnection } from './connection.ts';
import { PROCESSES_UNKNOWN } from './processes.ts';
import { openRedisLimiter, type RedisLimiter } from './redis-limiter.ts';

/** Long enough that nothing of it runs out during a test. */
const hundred = { name: 'n', limit: 100, windowSeconds: 31 * 86_400, cost: 1 };

describe('the limiter while Redis is away', { skip: without('redis') }, () => {
  it('admits the share of each process, takes up again what Redis knows, and says which it is', async (t) => {
    const server = await ownRedis(t, { durable: true });
    const told: boolean[] = [];
    const [one, two] = [await opened(t, server.url, told), await opened(t, server.url)] as const;
    await within20s(() => one.limiter.gauges().processes === 2 && two.limiter.gauges().processes === 2);
    for (const { limiter } of [one, two]) assert.equal(await admitted(limiter, 'before', 10), 10);
    assert.equal(one.limiter.unshared(), null);

    await server.kill('SIGTERM');
    await within20s(() => one.redis.state() === 'away' && two.redis.state() === 'away');
    assert.equal(one.limiter.unshared(), 'Redis does not answer: check REDIS_URL');
    assert.deepEqual(
      [await admitted(one.limiter, 'new', 80), await admitted(two.limiter, 'new', 80)],
      [50, 50],
    );
    // Of a key that both know, each begins with what it was told: 10 of 100 or more. At most an eighth was leased.
    const rest = [await admitted(one.limiter, 'before', 80), await admitted(two.limiter, 'before', 80)];
    assert.ok(rest[0]! <= 45 + 12 && rest[1]! <= 40 + 12, `${rest}`);
    assert.ok(one.limiter.gauges().fallback);

    await server.restart();
    assert.ok((await one.redis.whenReady(20_000)) && (await two.redis.whenReady(20_000)));
    assert.equal(one.limiter.unshared(), null);
    const again = (await admitted(one.limiter, 'before', 100)) + (await admitted(two.limiter, 'before', 100));
    assert.ok(again > 50 && again <= 80, `${again}: Redis knew of 20, and of what was leased`);
    assert.equal(one.limiter.gauges().fallback, false);
    assert.deepEqual(told, [true, false]);
  });

  it('says of a cost above the share that it may come again, and of one above the limit that it need not', async (t) => {
    const server = await ownRedis(t);
    const [{ limiter, redis }] = [await opened(t, server.url), await opened(t, server.url)] as const;
    await within20s(() => limiter.gauges().processes === 2);
    await server.kill('SIGKILL');
    await within20s(() => redis.state() === 'away');
    const retry = async (cost: number) => {
      const answer = await limiter.take('t', 'k', [{ ...hundred, cost }]);
      return [answer.admitted, answer.limits[0]!.limit, answer.limits[0]!.retryAfterSeconds];
    };
    assert.deepEqual(await retry(51), [false, 100, 5]);
    assert.deepEqual(await retry(101), [false, 100, null]);
    assert.deepEqual(await retry(50), [true, 100, 0]);
  });

  it('admits the share of one of several before it has ever reached Redis', async (t) => {
    const server = await ownRedis(t);
    await server.kill('SIGKILL');
    const { limiter, redis } = await opened(t, server.url, [], false);
    assert.equal(await admitted(limiter, 'k', 100), 100 / PROCESSES_UNKNOWN);
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
    await within20s(() => limiter.gauges().processes === 1);
    assert.equal(await admitted(limiter, 'l', 200), 100);
  });

  it('pays the deadline of a frozen and of a slow Redis a few times at most, and recovers by itself', async (t) => {
    const server = await ownRedis(t);
    const proxy = await startFaultProxy(t, { port: server.port });
    const { limiter, redis } = await opened(t, `redis://127.0.0.1:${proxy.port}`, [], true, 250);
    const faults = [
      ['frozen', () => server.signal('SIGSTOP'), () => server.signal('SIGCONT')],
      ['hanging', () => proxy.hang(), () => proxy.heal()],
      ['slow', () => proxy.slow(1_000), () => proxy.heal()],
      ['cut', () => proxy.cut(), () => proxy.heal()],
    ] as const;
    for (const [fault, begin, end] of faults) {
      begin();
      const askedBefore = limiter.gauges().answered;
      for (let call = 0; redis.state() === 'ready'; call++) {
        assert.ok(call < 20, `${fault}: it is still taken for ready`);
        await limiter.take('t', `${fault}-${call}`, [hundred]);
      }
      assert.equal(await admitted(limiter, fault, 200), 100, fault);
      const asked = limiter.gauges().answered;
      assert.equal(asked.redis - askedBefore.redis <= 3, true, fault);
      end();
      assert.ok(await redis.whenReady(20_000), fault);
      await within20s(async () => {
        await limiter.take('t', `${fault}-after`, [{ ...hundred, limit: 7 }]);
        return limiter.unshared() === null && !limiter.gauges().fallback;
      });
    }
  });

  it('gives a key one burst more when Redis has forgotten everything, and no more', async (t) => {
    const server = await ownRedis(t);
    const { limiter } = await opened(t, server.url);
    let total = await admitted(limiter, 'k', 60);
    await server.cli('flushall');
    total += await admitted(limiter, 'k', 300);
    assert.ok(total >= 100 && total <= 200, `${total}`);
  });

  it('answers for keys of a node that is gone by its share, and for the others as before', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const { limiter } = await opened(t, cluster.url, [], true, 1_000);
    const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`);
    const small = { ...hundred, limit: 3 };
    const each = async () => {
      let count = 0;
      for (const key of keys) count += await admitted(limiter, key, 1, small);
      return count;
    };
    assert.equal(await each(), 12);
    await cluster.nodes[1]!.kill('SIGKILL');
    assert.equal(await each(), 12, 'all are answered');
    assert.ok(limiter.gauges().answered.local > 0);
    await within20s(async () => {
      await each();
      return limiter.unshared() === 'a node of the Redis Cluster does not answer';
    });
    assert.ok(limiter.gauges().fallback);
    const before = limiter.gauges().answered;
    for (let i = 0; i < 24; i++) await limiter.peek('t', `new-${i}`, [small]);
    const { redis: asked, local } = limiter.gauges().answered;
    assert.ok(asked > before.redis && local > before.local, 'keys of other nodes are still judged by Redis');
    await cluster.nodes[1]!.restart();
    await within20s(async () => {
      const before = limiter.gauges().answered.local;
      for (const key of keys) await limiter.peek('t', `${key}-later`, [small]);
      return limiter.gauges().answered.local === before;
    });
    await within20s(() => limiter.unshared() === null && !limiter.gauges().fallback);
    // Those of the node have one burst more, and no more: it had forgotten them.
    let rest = 0;
    for (const key of keys) rest += await admitted(limiter, key, 10, small);
    assert.ok(rest >= 12 && rest <= 36, `${rest}`);
  });

  it('counts processes that live: one that closes goes at once', async (t) => {
    const server = await ownRedis(t);
    const { limiter } = await opened(t, server.url);
    const other = await opened(t, server.url);
    await within20s(() => limiter.gauges().processes === 2);
    await other.limiter.close();
    assert.equal(await server.cli('zcard', 'plinth:{processes}'), '1');
    // For a while the greatest number counts.
    assert.equal(limiter.gauges().processes, 2);
  });
});

let writers = 0;

async function opened(
  t: Cleanup,
  url: string,
  told: boolean[] = [],
  awaited = true,
  deadlineMs = 2_000,
): Promise<{ readonly limiter: RedisLimiter; readonly redis: RedisConnection }> {
  const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs });
  if (awaited) assert.ok(await redis.whenReady(20_000));
  writers += 1;
  const writer = `writer-${writers}`;
  const limiter = openRedisLimiter({
    redis,
    clock: systemClock,
    writer,
    onFallback: (active) => told.push(active),
  });
  t.after(async () => {
    await limiter.close();
    await redis.close();
  });
  if (awaited) await within20s(() => limiter.gauges().processes < PROCESSES_UNKNOWN);
  return { limiter, redis };
}

/** Of so many calls, one after the other. */
async function admitted(
  limiter: Limiter,
  keyId: string,
  calls: number,
  spend: LimitSpend = hundred,
): Promise<number> {
  let count = 0;
  for (let i = 0; i < calls; i++) if ((await limiter.take('t', keyId, [spend])).admitted) count += 1;
  return count;
}
