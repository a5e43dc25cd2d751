import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Secret } from '../../schemas/secret.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { createPool } from '../postgres/pool.ts';
import { systemClock } from '../system-clock.ts';
import { ApiServedElsewhere, takeApiLease } from './api-lease.ts';

async function leases(t: TestContext) {
  const pool = createPool({ connectionString: await testDatabase(t), applicationName: 'test' });
  t.after(() => pool.close());
  const lost: string[] = [];
  // A wait that would take eight seconds takes none: only who may hold it is asked.
  let nowMs = 0;
  const clock = {
    now: () => nowMs,
    sleep: async (ms: number, signal?: AbortSignal) => {
      if (ms > 1_000) return systemClock.sleep(ms, signal);
      nowMs += ms;
    },
  };
  const waits: string[] = [];
  const take = (writer: string, redisUrl: string | null, redisPrefix = 'plinth') =>
    takeApiLease({
      pool,
      clock,
      writer,
      redisUrl: redisUrl === null ? null : new Secret(redisUrl),
      redisPrefix,
      lost: (why) => lost.push(why),
      waiting: (why) => waits.push(why),
    });
  return Object.assign(take, { waits });
}

test('without Redis the second process is refused and told what would help, until the first is gone', async (t) => {
  const take = await leases(t);
  const first = await take('a', null);
  assert.deepEqual(take.waits, []);
  await assert.rejects(take('b', null), (error: Error) => {
    assert.ok(error instanceof ApiServedElsewhere);
    assert.match(error.message, /process \d+ on .*give both the same REDIS_URL/);
    return true;
  });
  assert.equal(take.waits.length, 1, 'told once');
  assert.match(
    take.waits[0]!,
    /^another process serves the API on this log: process \d+ on .*; waiting up to 8 s for its lease to run out$/,
  );
  await first.release();
  await (await take('b', null)).release();
});

test('processes that share a Redis serve together, whatever their credentials; others are refused', async (t) => {
  const take = await leases(t);
  const first = await take('a', 'redis://one:secret@10.0.0.1:6379');
  const second = await take('b', 'redis://two@10.0.0.1:6379');
  for (const other of [null, 'redis://10.0.0.2:6379']) {
    await assert.rejects(take('c', other), (error: Error) => {
      assert.ok(error instanceof ApiServedElsewhere);
      assert.doesNotMatch(error.message, /secret|10\.0\.0/);
      return true;
    });
  }
  await assert.rejects(
    take('c', 'redis://10.0.0.1:6379', 'other'),
    /REDIS_PREFIX/,
    'other keys of the same Redis',
  );
  await first.release();
  await assert.rejects(take('c', null), ApiServedElsewhere, 'the second still holds it');
  await second.release();
});
