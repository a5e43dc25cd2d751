import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Secret } from '../../schemas/secret.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { ownRedis } from '../../test/support/redis-server.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock } from '../system-clock.ts';
import { openRedis } from './connection.ts';
import { redisHints } from './hints.ts';

test('hints reach other processes, also after Redis was away', { skip: without('redis') }, async (t) => {
  const server = await ownRedis(t);
  const open = () => {
    const redis = openRedis({ prefix: 'plinth', url: new Secret(server.url), deadlineMs: 5_000 });
    t.after(() => redis.close());
    return { redis, hints: redisHints(redis, systemClock) };
  };
  const [one, other] = [open(), open()];
  const stop = new AbortController();
  const heard: string[] = [];
  const listening = other.hints.listen((projection) => heard.push(projection), stop.signal);
  const hear = async () => {
    heard.length = 0;
    for (let i = 0; i < 1_000 && heard.length === 0; i++) {
      one.hints.moved('keys');
      await pause(20);
    }
    assert.equal(heard[0], 'keys');
  };
  await hear();
  await server.kill('SIGKILL');
  one.hints.moved('keys');
  await server.restart();
  await hear();
  stop.abort();
  await listening;
});

test('many commits make few messages, and a message that is lost is not sent again', async () => {
  const clock = fakeClock();
  const published: string[] = [];
  const hints = redisHints(
    {
      publish: async (_channel, message) => {
        published.push(message);
        throw new Error('no route');
      },
      subscribe: () => () => {},
    },
    clock,
  );
  for (let i = 0; i < 100; i++) hints.moved('keys');
  await settled();
  for (let i = 0; i < 100; i++) hints.moved(i % 2 ? 'keys' : 'usage');
  await clock.advance(1_000);
  // One at once, and after the gap one of each that moved meanwhile.
  assert.deepEqual(published, ['keys', 'keys', 'usage']);
});
