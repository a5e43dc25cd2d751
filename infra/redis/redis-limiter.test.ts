import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Secret } from '../../schemas/secret.ts';
import { type LimiterUnderTest, limiterContract } from '../../test/contracts/limiter.ts';
import type { Cleanup } from '../../test/support/postgres.ts';
import { ownRedis, type RedisCluster, startRedisCluster } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock } from '../system-clock.ts';
import { openRedis } from './connection.ts';
import { openRedisLimiter, type RedisLimiter } from './redis-limiter.ts';

const skip = without('redis');

limiterContract('the limiter on Redis', { skip }, async (t) => onServer(t, (await ownRedis(t)).url));

describe('on three nodes', { skip }, () => {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await startRedisCluster();
  });
  after(() => cluster.stop());
  limiterContract('the limiter on a Redis Cluster', { skip }, async (t) => {
    await Promise.all(cluster.nodes.map((node) => node.cli('flushall')));
    return onServer(t, cluster.url);
  });
});

async function onServer(t: Cleanup, url: string): Promise<LimiterUnderTest> {
  return {
    limiter: await opened(t, url), // A timer may be early, and Redis tells whole milliseconds.
    pass: (ms) => pause(ms + 20),
  };
}

let writers = 0;
async function opened(t: Cleanup, url: string): Promise<RedisLimiter> {
  const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs: 10_000 });
  assert.ok(await redis.whenReady(20_000));
  writers += 1;
  const limiter = openRedisLimiter({ redis, clock: systemClock, writer: `writer-${writers}` });
  t.after(async () => {
    await limiter.close();
    await redis.close();
  });
  return limiter;
}
