import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  type PlatformProcess,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { ownRedis } from '../support/redis-server.ts';
import { without } from '../support/servers.ts';

const MONTH_SECONDS = 31 * 86_400;

test('two processes serve one log and share its limits over Redis; while it is away they issue no keys', {
  skip: without('redis'),
}, async (t) => {
  const redis = await ownRedis(t);
  const folder = await dataFolder(t);
  const env = embedded(folder, {
    DATABASE_URL: await testDatabase(t),
    REDIS_URL: redis.url,
    REDIS_PREFIX: 'house',
    PLINTH_DATABASE_CONNECTIONS: '6',
  });
  const one = await startRole(t, 'start', { env });
  const other = await startRole(t, 'api', { env });
  const admin = await adminKey(folder);
  const clients = [one, other].map(({ url }) => new PlinthClient({ url, key: admin }));
  const issue = (process: PlatformProcess) =>
    fetch(`${process.url}/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body: '{}',
    });
  const gauge = async (process: PlatformProcess, name: string) => {
    const text = await (await fetch(`${process.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };
  const readiness = async (process: PlatformProcess) => {
    const answer = await fetch(`${process.url}/readyz`);
    const { checks } = (await answer.json()) as { checks: Record<string, unknown> };
    return { status: answer.status, redis: checks.redis };
  };
  await until(
    'both count both',
    async () =>
      (await gauge(one, 'plinth_limiter_processes')) === 2 &&
      (await gauge(other, 'plinth_limiter_processes')) === 2,
  );

  /** Of so many calls, to one process and the other by turns. */
  const valid = async (issued: Awaited<ReturnType<PlinthClient['issueKey']>>, calls: number) => {
    let count = 0;
    for (let i = 0; i < calls; i++) {
      const { code } = await clients[i % 2]!.verify({ key: issued.secret! }, { position: issued.position! });
      assert.ok(code === 'VALID' || code === 'RATE_LIMITED', code);
      if (code === 'VALID') count += 1;
    }
    return count;
  };
  const limits = [{ name: 'monthly', limit: 50, windowSeconds: MONTH_SECONDS }];
  let limited = await clients[0]!.issueKey({ limits });
  // On a machine so busy that Redis is late, a call is judged by a share: then once more, with another key.
  for (let tries = 0; (await valid(limited, 70)) !== 50; tries++) {
    assert.ok(tries < 5, 'two processes let through the limit of one');
    limited = await clients[0]!.issueKey({ limits });
  }
  const names = (await redis.cli('keys', '*')).split('\n');
  assert.ok(names.length > 1 && names.every((name) => name.startsWith('house:{')), String(names));
  const free = await clients[1]!.issueKey({});
  await clients[0]!.revokeKey(limited.key.id, { reason: 'test' });
  await until(
    'the other sees it revoked',
    async () => (await clients[1]!.verify({ key: limited.secret! })).code === 'REVOKED',
  );

  await redis.kill('SIGKILL');
  for (const process of [one, other]) {
    await until('it is noticed', async () => (await gauge(process, 'plinth_redis_away')) === 1);
    const refused = await issue(process);
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
    assert.equal(((await refused.json()) as { code: string }).code, 'unavailable');
  }
  for (const client of clients) assert.equal((await client.verify({ key: free.secret! })).code, 'VALID');
  assert.deepEqual(await readiness(other), {
    status: 200,
    redis: { ok: false, detail: 'Redis does not answer: check REDIS_URL' },
  });

  await redis.restart();
  for (const process of [one, other]) {
    await until('keys are issued again', async () => (await issue(process)).status === 201);
    assert.equal(await gauge(process, 'plinth_redis_away'), 0);
    await until('it is told', async () => ((await readiness(process)).redis as { ok: boolean }).ok);
  }
  for (const process of [other, one]) {
    const ended = await process.stop();
    assert.equal(ended.code, 0, ended.stderr);
    assert.doesNotMatch(ended.stdout, /"level":"(error|fatal)"/);
  }
});
