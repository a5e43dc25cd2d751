import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { Secret } from '../../schemas/secret.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { failure, openedRedis, readyRedis, within20s } from '../../test/support/redis-connection.ts';
import { ownRedis } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { openRedis } from './connection.ts';
import { redisScript } from './script.ts';

const counter = redisScript('counter', "return {redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}");

describe('the connection to Redis', { skip: without('redis') }, () => {
  it('carries out commands, and scripts that the server does not know yet', async (t) => {
    const server = await ownRedis(t);
    const redis = await readyRedis(t, server.url);
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
    const [one, other] = [
      await readyRedis(t, server.url),
      await readyRedis(t, server.url, { prefix: 'other' }),
    ];
    const heard: string[] = [];
    for (const [name, redis] of Object.entries({ one, other })) {
      redis.subscribe('news', (message) => heard.push(`${name} hears ${message}`));
      await redis.set('{a}1', name, 60_000);
      await redis.run(counter, ['{a}n'], [name.length, '']);
    }
    await within20s(async () => {
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
    const redis = await readyRedis(t, server.url, { onState: (state) => states.push(state) });
    await server.kill('SIGKILL');
    await within20s(() => redis.state() === 'away');
    await assert.rejects(redis.get('a'), failure('away'));
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
    assert.equal(await redis.get('a'), null);
    assert.deepEqual(states, ['ready', 'away', 'ready']);
  });

  it('opens while there is no server, and is ready when there is', async (t) => {
    const server = await ownRedis(t);
    await server.kill('SIGKILL');
    const redis = openedRedis(t, server.url);
    assert.equal(await redis.whenReady(20), false);
    await assert.rejects(redis.get('a'), failure('away'));
    await server.restart();
    assert.ok(await redis.whenReady(20_000));
  });

  it('pays the deadline of a frozen server a few times, not with every command', async (t) => {
    const server = await ownRedis(t);
    const redis = await readyRedis(t, server.url, { deadlineMs: 250 });
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
    const redis = await readyRedis(t, `redis://127.0.0.1:${proxy.port}`, { deadlineMs: 250 });
    for (const fault of ['hang', 'cut'] as const) {
      const asked = redis.get('a').catch(() => {});
      proxy[fault]();
      await asked;
      await within20s(() => redis.state() === 'away');
      proxy.heal();
      assert.ok(await redis.whenReady(20_000), fault);
      assert.equal(await redis.get('a'), null);
    }
  });

  it('is away while every answer is later than the deadline', async (t) => {
    const server = await ownRedis(t);
    const proxy = await startFaultProxy(t, { port: server.port });
    const redis = await readyRedis(t, `redis://127.0.0.1:${proxy.port}`, { deadlineMs: 250 });
    proxy.slow(1_000);
    await within20s(() => redis.state() === 'away');
    proxy.heal();
    assert.ok(await redis.whenReady(20_000));
  });

  it('is away as long as the server refuses to write, though it can be read', async (t) => {
    const server = await ownRedis(t);
    const states: string[] = [];
    let refused = 0;
    const redis = await readyRedis(t, server.url, {
      onState: (state) => states.push(state),
      onCommand: (name, _, outcome) => (refused += name === 'probe' && outcome === 'refused' ? 1 : 0),
    });
    await server.cli('config', 'set', 'maxmemory', '1');
    await within20s(async () => {
      await redis.set('a', 'x', 60_000).catch(() => {});
      return redis.state() === 'away';
    });
    const before = refused;
    await within20s(() => refused >= before + 4 || states.length > 2);
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
    const redis = await readyRedis(t, `redis://127.0.0.1:${(address.address() as AddressInfo).port}`);
    leadsTo = after.port;
    await before.cli('replicaof', '127.0.0.1', String(after.port));
    await within20s(() =>
      redis.run(counter, ['{a}n'], [1, 'x']).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(await after.cli('exists', 'plinth:{a}n'), '1');
  });

  it('takes no more commands than may be in flight', async (t) => {
    const server = await ownRedis(t);
    const redis = await readyRedis(t, server.url);
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
    const right = await readyRedis(t, server.url, { onState: (_, why) => told.push(why) });
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
    const wrong = openedRedis(t, server.url.replace('sesame', 'barley'), {
      onState: (_, why) => told.push(why),
    });
    await within20s(() => wrong.state() === 'away');
    await assert.rejects(wrong.get('a'), (error: Error) => {
      told.push(error.message);
      return true;
    });
    assert.match(told.join(), /WRONGPASS/);
    assert.equal(wrong.problem(), 'Redis refuses the password: check REDIS_URL');
    assert.doesNotMatch(told.join(), /sesame|barley|127\.0\.0\.1/);
    assert.throws(
      () => openRedis({ prefix: 'plinth', url: new Secret('redis://u:%zz-secret@h') }),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('says that a password is missing, and nothing once it is there', async (t) => {
    const server = await ownRedis(t, { password: 'open sesame' });
    const told: (string | null)[] = [];
    const without = openedRedis(t, server.url.replace(/\/\/.*@/, '//'), {
      onState: (_, __, problem) => told.push(problem),
    });
    await within20s(() => without.problem() === 'Redis refuses the password: check REDIS_URL');
    assert.equal(told.at(-1), 'Redis refuses the password: check REDIS_URL');
    await server.cli('config', 'set', 'requirepass', '');
    assert.ok(await without.whenReady(20_000));
    assert.equal(without.problem(), null);
  });

  it('hears what another publishes, again after the server was away, and nothing once it stopped', async (t) => {
    const server = await ownRedis(t);
    const redis = await readyRedis(t, server.url);
    const heard: string[] = [];
    const stop = redis.subscribe('news', (message) => heard.push(message));
    const publishUntilHeard = async (message: string) => {
      await within20s(async () => {
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
});
