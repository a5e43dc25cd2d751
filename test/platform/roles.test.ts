import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  plinth,
  postgresPid,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';

test('the roles work apart on one database: one projector takes over from another, schedulers share the work', async (t) => {
  const folder = await dataFolder(t);
  const env = embedded(folder, { DATABASE_URL: await testDatabase(t), PLINTH_DATABASE_CONNECTIONS: '6' });
  // The first to start makes secrets and tables; the others meet them.
  const probed = { ...env, PLINTH_HEALTH_PORT: '0' };
  const [first, scheduler] = await Promise.all([
    startRole(t, 'projector', { env }),
    startRole(t, 'scheduler', { env: probed }),
  ]);
  const second = await startRole(t, 'projector', { env: probed });
  const otherScheduler = await startRole(t, 'scheduler', { env });
  const api = await startRole(t, 'api', { env });
  const client = new PlinthClient({ url: api.url, key: await adminKey(folder) });
  assert.equal(await postgresPid(folder), null, 'no server of its own beside DATABASE_URL');

  const shortLived = await client.issueKey({ expiresAt: new Date(Date.now() + 3_000).toISOString() });
  const owned = await client.issueKey({ ownerId: 'ada' });
  const verdict = await client.verify({ key: owned.secret! }, { position: owned.position! });
  assert.equal(verdict.code, 'VALID');

  first.kill('SIGKILL');
  const revoked = await client.revokeOwnerKeys('ada', { reason: 'left' });
  assert.equal((await client.getKey(owned.key.id, { position: revoked.position! })).status, 'revoked');
  const histories = async (keyId: string) => {
    const types: string[] = [];
    for await (const change of client.keyHistory(keyId)) types.push(`${change.type} ${change.actor}`);
    return types;
  };
  await until('the follow-up of the revoke-all', async () =>
    (await histories(owned.key.id)).includes('key.revoked system:owner-revocation'),
  );
  await until('the expiry is written', async () =>
    (await histories(shortLived.key.id)).some((change) => change.startsWith('key.expired')),
  );
  assert.equal((await client.verify({ key: shortLived.secret! })).code, 'EXPIRED');
  const once = async (keyId: string, type: string) =>
    assert.equal((await histories(keyId)).filter((change) => change.startsWith(type)).length, 1);
  await once(owned.key.id, 'key.revoked');
  await once(shortLived.key.id, 'key.expired');

  const list = await plinth(['projections', 'list', '--json'], { env });
  const holders = new Set(JSON.parse(list.stdout).map((r: { holder: string | null }) => r.holder));
  assert.equal(holders.size, 1, 'the second projector runs all of them');
  assert.ok(!holders.has(null));
  const ready = await fetch(`${api.url}/readyz`);
  assert.equal(ready.status, 200, await ready.text());

  for (const role of [second, scheduler]) {
    const port = /"detail":"port (\d+)"/.exec(role.stdout())![1];
    const probe = async (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    assert.equal((await probe('/livez')).status, 200);
    const { checks } = (await (await probe('/readyz')).json()) as { checks: Record<string, unknown> };
    assert.ok('log' in checks);
    assert.equal('projection:keys' in checks, role === second);
    assert.match(await (await probe('/metrics')).text(), /plinth_database_statement_duration_seconds/);
    assert.equal((await probe('/v1/keys')).status, 404, 'no API here');
    const taken = await plinth(['scheduler'], { env: { ...env, PLINTH_HEALTH_PORT: port! } });
    assert.match(taken.stderr, /^plinth: Port \d+ on 127\.0\.0\.1 is taken: .*PLINTH_HEALTH_PORT\.\n$/);
  }
  assert.doesNotMatch(otherScheduler.stdout(), /answers probes/, 'only where it is asked for');

  for (const role of [api, second, scheduler, otherScheduler]) {
    const ended = await role.stop();
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
    assert.doesNotMatch(ended.stdout, /"level":"(error|fatal)"/);
  }
});
