import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Secret } from '../../schemas/secret.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { ownRedis, startRedisCluster } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { openRedis, type RedisConnection, type RedisOptions } from './connection.ts';
import { RedisFailure } from './redis-failure.ts';
import { redisScript } from './script.ts';

const counter = redisScript('counter', "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}");

describe('the connection to Redis', { skip: without('redis') }, () => {
  it('carries out commands, and scripts that the server does not know yet', async (t) => {
    const server = await ownRedis(t);
    const redis = await ready(t, server.url);
    await redis.set('{a}1', 'x', 60_000);
    assert.equal(await redis.get('{a}1'), 'x');
    assert.deepEqual(await redis.mget(['{a}1', '{a}2']), ['x', null]);
    await redis.del(['{a}1']);
    assert.equal(await redis.get('{a}1'), null);
    assert.deepEqual(await redis.run(counter, ['{a}n'], [2, 'b']), [2, 'b']);
    await server.cli('script', 'flush');
    assert.deepEqual(await redis.run(counter, ['{a}n'], [3, 'b']), [5, 'b']);
  });

  it('names every key and channel by its prefix, so that platforms that share a server do not meet', async (t) => {
    const server = await ownRedis(t);
    const [one, other] = [await ready(t, server.url), await ready(t, server.url, { prefix: 'other' })];
    const heard: string[] = [];
    for (const [name, redis] of Object.entries({ one, other })) {
      redis.subscribe('news', (message) => heard.push(`${name} hears ${message}`));
      await redis.set('{a}1', name, 60_000);
      await redis.run(counter, ['{a}n'], [name.length, '']);
    }
    await until(async () => {
      await one.publish('news', 'one');
      await other.publish('news', 'other');
      return new Set(heard).size > 1;
    });
    assert.deepEqual([...new Set(heard)].sort(), ['one hears one', 'other hears other']);
    assert.deepEqual(
      [await one.mget(['{a}1', '{a}n']), await other.mget(['{a}1', '{a}n'])],
      [
        ['one', '3'],
        ['other', '5'],
      ],
    );
    await one.del(['{a}1']);
    assert.equal(await other.get('{a}1'), 'other');
    const names = (await server.cli('keys', '*')).split('\n').filter((key) => !key.includes('probe'));
    assert.deepEqual(names.sort(), ['other:{a}1', 'other:{a}n', 'plinth:{a}n']);
  });

  it('says that it is away and fails at once while nothing listens, and comes back by itself', async (t) => {
    const server = await ownRedis(t);
    const states: string[] = [];
    const redis = await ready(t, server.url, { onState: (state) => states.push(state) });
    await server.kill('SIGKILL');
    await until(() => redis.state() === 'away');
    await assert.rejects(redis.get('a'), failure('away'));
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
    assert.equal(await redis.get('a'), null);
    assert.deepEqual(states, ['ready', 'away', 'ready']);
  });

  it('opens while there is no server, and is ready when there is', async (t) => {
    const server = await ownRedis(t);
    await server.kill('SIGKILL');
    const redis = opened(t, server.url);
    assert.equal(await redis.whenReady(20), false);
    await assert.rejects(redis.get('a'), failure('away'));
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
  });

  it('pays the deadline of a frozen server a few times, not with every command', async (t) => {
    const server = await ownRedis(t);
    const redis = await ready(t, server.url, { deadlineMs: 250 });
    server.signal('SIGSTOP');
    for (let late = 0; redis.state() === 'ready'; late++) {
      assert.ok(late < 4, 'it is still taken for ready');
      await assert.rejects(redis.get('a'), failure('late'));
    }
    await assert.rejects(redis.get('a'), failure('away'));
    server.signal('SIGCONT');
    assert.ok(await redis.whenReady(20_000));
    assert.equal(await redis.get('a'), null);
  });

  it('gives up a connection that hangs and one that is cut, and is back when they are healed', async (t) => {
    const server = await ownRedis(t);
    const proxy = await startFaultProxy(t, { port: server.port });
    const redis = await ready(t, `redis://127.0.0.1:${proxy.port}`, { deadlineMs: 250 });
    for (const fault of ['hang', 'cut'] as const) {
      const asked = redis.get('a').catch(() => {});
      proxy[fault]();
      await asked;
      await until(() => redis.state() === 'away');
      proxy.heal();
      assert.ok(await redis.whenReady(20_000), fault);
      assert.equal(await redis.get('a'), null);
    }
  });

  it('is away while every answer is later than the deadline', async (t) => {
    const server = await ownRedis(t);
    const proxy = await startFaultProxy(t, { port: server.port });
    const redis = await ready(t, `redis://127.0.0.1:${proxy.port}`, { deadlineMs: 250 });
    proxy.slow(1_000);
    await until(() => redis.state() === 'away');
    proxy.heal();
    assert.ok(await redis.whenReady(20_000));
  });

  it('is away as long as the server refuses to write, though it can be read', async (t) => {
    const server = await ownRedis(t);
    const states: string[] = [];
    let refused = 0;
    const redis = await ready(t, server.url, {
      onState: (state) => states.push(state),
      onCommand: (name, _, outcome) => (refused += name === 'probe' && outcome === 'refused' ? 1 : 0),
    });
    await server.cli('config', 'set', 'maxmemory', '1');
    await until(async () => {
      await redis.set('a', 'x', 60_000).catch(() => {});
      return redis.state() === 'away';
    });
    const before = refused;
    await until(() => refused >= before + 4 || states.length > 2);
    assert.deepEqual(states, ['ready', 'away']);
    await server.cli('config', 'set', 'maxmemory', '0');
    assert.ok(await redis.whenReady(20_000));
  });

  it('follows its address to another server when the one that it has became a replica', async (t) => {
    const [before, after] = [await ownRedis(t), await ownRedis(t)];
    let leadsTo = before.port;
    const address = createServer((client) => {
      const server = connect(leadsTo, '127.0.0.1');
      client.pipe(server).pipe(client);
      client.on('error', () => server.destroy());
      server.on('error', () => client.destroy());
    });
    await once(address.listen(0, '127.0.0.1'), 'listening');
    t.after(() => void address.close());
    const redis = await ready(t, `redis://127.0.0.1:${(address.address() as AddressInfo).port}`);
    leadsTo = after.port;
    await before.cli('replicaof', '127.0.0.1', String(after.port));
    await until(() =>
      redis.run(counter, ['{a}n'], [1, 'x']).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(await after.cli('exists', 'plinth:{a}n'), '1');
  });

  it('says that one node of a cluster is no server to itself', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const told: string[] = [];
    const redis = opened(t, cluster.nodes[0]!.url, {
      onState: (state, why) => told.push(`${state}: ${why}`),
    });
    await until(() => told.some((one) => one.startsWith('away')));
    assert.match(told.at(-1)!, /a node of a Redis Cluster: REDIS_URL must name several/);
    assert.equal(await redis.whenReady(1_500), false);
  });

  it('takes no more commands than may be in flight', async (t) => {
    const server = await ownRedis(t);
    const redis = await ready(t, server.url);
    const answers = await Promise.allSettled(Array.from({ length: 10_001 }, () => redis.get('a')));
    const failures = answers.filter((answer) => answer.status === 'rejected');
    assert.ok(
      failures.length > 0 && failures.every(({ reason }) => reason.kind === 'busy' || reason.kind === 'late'),
    );
    assert.equal(failures.filter(({ reason }) => reason.kind === 'busy').length, 1);
    assert.equal(await redis.get('a'), null);
  });

  it('keeps passwords and arguments out of what it says', async (t) => {
    const server = await ownRedis(t, { password: 'open sesame' });
    const told: string[] = [];
    const right = await ready(t, server.url, { onState: (_, why) => told.push(why) });
    await assert.rejects(
      right.run(redisScript('broken', 'return nil + ARGV[1]'), ['{a}'], ['hidden']),
      (error: Error) => {
        assert.equal(error.message, 'redis broken: ERR in line 1 of the script');
        assert.doesNotMatch(
          `${error.stack} ${JSON.stringify(error, Object.getOwnPropertyNames(error))}`,
          /hidden/,
        );
        return true;
      },
    );
    const wrong = opened(t, server.url.replace('sesame', 'barley'), { onState: (_, why) => told.push(why) });
    await until(() => wrong.state() === 'away');
    await assert.rejects(wrong.get('a'), (error: Error) => {
      told.push(error.message);
      return true;
    });
    assert.match(told.join(), /WRONGPASS/);
    assert.doesNotMatch(told.join(), /sesame|barley|127\.0\.0\.1/);
    assert.throws(
      () => openRedis({ prefix: 'plinth', url: new Secret('redis://u:%zz-secret@h') }),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('hears what another publishes, again after the server was away, and nothing once it stopped', async (t) => {
    const server = await ownRedis(t);
    const redis = await ready(t, server.url);
    const heard: string[] = [];
    const stop = redis.subscribe('news', (message) => heard.push(message));
    const publishUntilHeard = async (message: string) => {
      await until(async () => {
        await redis.publish('news', message).catch(() => {});
        return heard.includes(message);
      });
    };
    await publishUntilHeard('one');
    await server.kill('SIGKILL');
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
    await publishUntilHeard('two');
    stop();
    const before = heard.length;
    await redis.publish('news', 'three');
    await redis.get('a');
    assert.deepEqual(
      heard.slice(before).filter((message) => message === 'three'),
      [],
    );
  });

  it('works on a cluster, and again after one of its nodes was away', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const redis = await ready(t, cluster.url);
    const keys = Array.from({ length: 30 }, (_, i) => `{${i}}n`);
    for (const key of keys) assert.deepEqual(await redis.run(counter, [key], [1, 'x']), [1, 'x']);
    const sizes = await Promise.all(cluster.nodes.map((node) => node.cli('dbsize')));
    assert.ok(
      sizes.every((size) => Number(size) > 0),
      'the keys lie on all nodes',
    );
    const heard: string[] = [];
    redis.subscribe('news', (message) => heard.push(message));
    await until(async () => {
      await redis.publish('news', 'x');
      return heard.length > 0;
    });
    await cluster.nodes[0]!.kill('SIGKILL');
    await cluster.nodes[0]!.restart();
    await until(async () =>
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
    const redis = await ready(t, cluster.url, {
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
      await until(() => redis.state() === 'ready');
      for (const key of keys) assert.ok(['x', null].includes(await redis.get(key)), fault);
      assert.deepEqual(states, ['partial', 'ready'], fault);
    }
  });

  it('is away when no node of a cluster answers, and back when one does', async (t) => {
    const cluster = await startRedisCluster();
    t.after(() => cluster.stop());
    const redis = await ready(t, cluster.url, { deadlineMs: 250 });
    const keys = Array.from({ length: 30 }, (_, i) => `{${i}}n`);
    const all = () => Promise.allSettled(keys.map((key) => redis.get(key)));
    for (const node of cluster.nodes) node.signal('SIGSTOP');
    await until(async () => {
      await all();
      return redis.state() === 'away';
    });
    for (const answer of await all()) {
      assert.ok(answer.status === 'rejected' && failure('away')(answer.reason));
    }
    for (const node of cluster.nodes) node.signal('SIGCONT');
    await until(() => redis.state() === 'ready');
    await until(async () => (await all()).every(({ status }) => status === 'fulfilled'));
  });
});

type Cleanup = { after(clean: () => Promise<void>): void };

function opened(t: Cleanup, url: string, options: Partial<RedisOptions> = {}): RedisConnection {
  const redis = openRedis({ prefix: 'plinth', url: new Secret(url), deadlineMs: 10_000, ...options });
  t.after(() => redis.close());
  return redis;
}

async function ready(t: Cleanup, url: string, options: Partial<RedisOptions> = {}): Promise<RedisConnection> {
  const redis = opened(t, url, options);
  assert.ok(await redis.whenReady(20_000));
  return redis;
}

function failure(kind: RedisFailure['kind']): (error: unknown) => boolean {
  return (error) => error instanceof RedisFailure && error.kind === kind;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 1_000, 'it did not come about within 20 s');
    await pause(20);
  }
}
