import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure, openedRedis, readyRedis, within20s } from '../../test/support/redis-connection.ts';
import { startRedisCluster } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { RedisFailure } from './redis-failure.ts';
import { redisScript } from './script.ts';

const counter = redisScript('counter', "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}");

describe('the connection to a Redis Cluster', { skip: without('redis') }, () => {
  it('says that one node of a cluster is no server to itself', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const told: string[] = [];
    const redis = openedRedis(t, cluster.nodes[0]!.url, {
      onState: (state, why) => told.push(`${state}: ${why}`),
    });
    await within20s(() => told.some((one) => one.startsWith('away')));
    assert.match(told.at(-1)!, /a node of a Redis Cluster: REDIS_URL must name several/);
    assert.equal(await redis.whenReady(1_500), false);
  });

  it('works on a cluster, and again after one of its nodes was away', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const redis = await readyRedis(t, cluster.url);
    const keys = Array.from({ length: 30 }, (_, i) => `{${i}}n`);
    for (const key of keys) assert.deepEqual(await redis.run(counter, [key], [1, 'x']), [1, 'x']);
    const sizes = await Promise.all(cluster.nodes.map((node) => node.cli('dbsize')));
    assert.ok(
      sizes.every((size) => Number(size) > 0),
      'the keys lie on all nodes',
    );
    const heard: string[] = [];
    redis.subscribe('news', (message) => heard.push(message));
    await within20s(async () => {
      await redis.publish('news', 'x');
      return heard.length > 0;
    });
    await cluster.nodes[0]!.kill('SIGKILL');
    await cluster.nodes[0]!.restart();
    await within20s(async () =>
      (await Promise.allSettled(keys.map((key) => redis.get(key)))).every(
        ({ status }) => status === 'fulfilled',
      ),
    );
  });

  it('fails at once for the keys of a cluster node that does not answer, and goes on with the others', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const states: string[] = [];
    let paid = 0;
    const redis = await readyRedis(t, cluster.url, {
      deadlineMs: 1_000,
      onState: (state) => states.push(state),
      onCommand: (name, _, outcome) => (paid += name === 'get' && /late|lost/.test(outcome) ? 1 : 0),
    });
    const keys = Array.from({ length: 30 }, (_, i) => `{${i}}n`);
    const node = cluster.nodes[0]!;
    for (const key of keys) await redis.set(key, 'x', 3_600_000);
    const held = new Set((await node.cli('keys', '*')).split('\n'));
    const there = keys.filter((key) => held.has(`plinth:${key}`));
    const elsewhere = keys.filter((key) => !there.includes(key));
    assert.ok(there.length > 3 && elsewhere.length > 3);
    const faults = [
      ['frozen', () => node.signal('SIGSTOP'), () => node.signal('SIGCONT')],
      ['gone', () => node.kill('SIGKILL'), () => node.restart()],
    ] as const;
    for (const [fault, begin, end] of faults) {
      states.length = 0;
      paid = 0;
      await begin();
      for (const key of there) await assert.rejects(redis.get(key), RedisFailure, fault);
      assert.ok(paid <= 3, `${fault}: ${paid} commands were paid for`);
      assert.equal(redis.state(), 'partial', fault);
      for (let round = 0; round < 5; round++) {
        for (const key of there) await assert.rejects(redis.get(key), failure('away'), fault);
        for (const key of elsewhere) assert.equal(await redis.get(key), 'x', fault);
      }
      assert.ok(paid <= 3, `${fault}: ${paid} commands were paid for`);
      await end();
      await within20s(() => redis.state() === 'ready');
      for (const key of keys) assert.ok(['x', null].includes(await redis.get(key)), fault);
      assert.deepEqual(states, ['partial', 'ready'], fault);
    }
  });

  it('is away when no node of a cluster answers, and back when one does', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const redis = await readyRedis(t, cluster.url, { deadlineMs: 250 });
    const keys = Array.from({ length: 30 }, (_, i) => `{${i}}n`);
    const all = () => Promise.allSettled(keys.map((key) => redis.get(key)));
    for (const node of cluster.nodes) node.signal('SIGSTOP');
    await within20s(async () => {
      await all();
      return redis.state() === 'away';
    });
    for (const answer of await all()) {
      assert.ok(answer.status === 'rejected' && failure('away')(answer.reason));
    }
    for (const node of cluster.nodes) node.signal('SIGCONT');
    await within20s(() => redis.state() === 'ready');
    await within20s(async () => (await all()).every(({ status }) => status === 'fulfilled'));
  });
});
