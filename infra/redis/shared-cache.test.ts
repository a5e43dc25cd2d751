import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SharedCache } from '../../api/verify/shared-cache.ts';
import type { Position } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { sharedCacheContract } from '../../test/contracts/shared-cache.ts';
import type { Cleanup } from '../../test/support/postgres.ts';
import { ownRedis, startRedisCluster } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { openRedis } from './connection.ts';
import { redisSharedCache } from './shared-cache.ts';

const skip = without('redis');

async function connected(t: Cleanup, url: string): Promise<SharedCache> {
  const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs: 5_000 });
  t.after(() => redis.close());
  assert.ok(await redis.whenReady(20_000));
  return redisSharedCache(redis);
}

sharedCacheContract({
  name: 'the shared cache in Redis',
  skip,
  async open(t) {
    const { url } = await ownRedis(t);
    return { cache: await connected(t, url), other: await connected(t, url) };
  },
});

describe('on a cluster of three nodes', { skip }, () => {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  before(async () => {
    cluster = await startRedisCluster();
  });
  after(() => cluster?.stop());

  sharedCacheContract({
    name: 'the shared cache in a Redis Cluster',
    open: async (t) => ({
      cache: await connected(t, cluster.url),
      other: await connected(t, cluster.url),
    }),
  });

  it('rows lie on all of its nodes', async () => {
    const sizes = await Promise.all(cluster.nodes.map((node) => node.cli('dbsize')));
    assert.ok(
      sizes.every((size) => Number(size) > 0),
      String(sizes),
    );
  });

  it('what lies on a node that is gone is to be read as if nobody had, and the rest is shared', async (t) => {
    const cache = await connected(t, cluster.url);
    const names = Array.from({ length: 60 }, (_, i) => `row-${i}`);
    await cache.put(names.map((name) => ({ name, position: '7' as Position, text: 'text' })));
    const shared = async () => (await cache.getMany(names)).filter((text) => text === 'text').length;
    assert.equal(await shared(), 60);
    await cluster.nodes[2]!.kill('SIGKILL');
    const left = await shared();
    assert.ok(left > 0 && left < 60, `${left}`);
    const mine = await cache.claim(names, 60_000);
    assert.ok(mine.every(Boolean));
    assert.equal((await cache.claim(names, 60_000)).filter(Boolean).length, 60 - left);
    await Promise.all([cluster.nodes[0]!.kill('SIGKILL'), cluster.nodes[1]!.kill('SIGKILL')]);
    await assert.rejects(cache.getMany(names));
  });
});

describe('what the shared cache keeps in Redis', { skip }, () => {
  const record = { name: 'n', position: '00000000000000000007' as Position, text: 'text' };

  it('runs out, claims and rows alike', async (t) => {
    const server = await ownRedis(t);
    const cache = await connected(t, server.url);
    await cache.claim(['claimed'], 60_000);
    await cache.put([record]);
    for (const key of (await server.cli('keys', '*')).split('\n')) {
      assert.ok(Number(await server.cli('pttl', key)) > 0, key);
    }
    assert.equal(Number(await server.cli('dbsize')), 2);
  });

  it('is replaced where it is garbage, and gone with a flush', async (t) => {
    const server = await ownRedis(t);
    const cache = await connected(t, server.url);
    await cache.put([record]);
    const [key] = (await server.cli('keys', 'plinth:*')).split('\n');
    await server.cli('set', key!, 'garbage');
    assert.deepEqual(await cache.getMany(['n']), ['garbage']);
    await cache.put([record]);
    assert.deepEqual(await cache.getMany(['n']), ['text']);
    await server.cli('flushall');
    assert.deepEqual(await cache.getMany(['n']), [null]);
  });
});
