import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import {
  type Account,
  adminKey,
  dataFolder,
  embedded,
  NOBODY,
  plinth,
  postgresPid,
  startRole,
} from '../support/platform-process.ts';

const KEY_TEXT = /plinth_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}/;

/** Root, which runs PostgreSQL as another user, and an ordinary user; only the latter where the tests run as one. */
const accounts: [string, Account][] =
  process.getuid?.() === 0
    ? [
        ['root', null],
        ['an ordinary user', NOBODY],
      ]
    : [['an ordinary user', null]];

for (const [name, account] of accounts) {
  test(`as ${name}: started, stopped with Ctrl-C, started again, killed, started again`, async (t) => {
    const folder = await dataFolder(t, account);
    const run = { env: embedded(folder), account };

    const first = await startRole(t, 'start', run);
    const file = await stat(join(folder, 'admin.key'));
    assert.equal(file.mode & 0o777, 0o600);
    if (account) assert.equal(file.uid, account.uid);
    const key = await adminKey(folder);
    assert.match(key, KEY_TEXT);
    assert.match(first.stderr(), /The admin key is in .*admin\.key/);
    const client = new PlinthClient({ url: first.url, key });
    const issued = await client.issueKey({ name: 'stays', scopes: ['a:read'] });
    const docs = await fetch(`${first.url}/docs`);
    assert.equal(docs.status, 200);
    await docs.text();

    const stopped = await first.stop('SIGINT');
    assert.deepEqual([stopped.code, stopped.signal], [0, null], stopped.stderr);
    assert.doesNotMatch(stopped.stdout + stopped.stderr, KEY_TEXT, 'no secret where nobody looks');
    assert.equal(await postgresPid(folder), null, 'the server is stopped');
    for (const line of stopped.stdout.trim().split('\n')) JSON.parse(line);

    const second = await startRole(t, 'start', run);
    assert.doesNotMatch(second.stderr(), /The admin key is in/, 'nothing new was minted');
    assert.equal(await adminKey(folder), key);
    const again = new PlinthClient({ url: second.url, key });
    assert.equal((await again.verify({ key: issued.secret! })).code, 'VALID');

    const killed = await second.stop('SIGKILL');
    assert.equal(killed.signal, 'SIGKILL');
    assert.notEqual(await postgresPid(folder), null, 'the server runs on, as nobody told it to stop');

    const third = await startRole(t, 'start', run);
    const recovered = new PlinthClient({ url: third.url, key });
    assert.equal((await recovered.verify({ key: issued.secret!, scopes: 'a:read' })).code, 'VALID');
    assert.equal((await third.stop('SIGTERM')).code, 0);
    assert.equal(await postgresPid(folder), null, 'it was adopted, and stopped with its owner');
  });
}

test('an admin key is recovered beside a running platform and without one', async (t) => {
  const folder = await dataFolder(t);
  const env = embedded(folder);
  const none = await plinth(['admin', 'recover', '--json'], { env });
  assert.equal(none.code, 0, none.stderr);
  assert.equal(await postgresPid(folder), null, 'the verb stopped the server that it had started');
  const first = await adminKey(folder);

  const platform = await startRole(t, 'start', { env });
  const client = new PlinthClient({ url: platform.url, key: first });
  assert.deepEqual((await client.whoami()).permissions, ['*:*']);

  const beside = await plinth(['admin', 'recover'], { env });
  assert.equal(beside.code, 0, beside.stderr);
  assert.doesNotMatch(beside.stdout + beside.stderr, KEY_TEXT);
  const second = await adminKey(folder);
  assert.notEqual(second, first);
  const recovered = new PlinthClient({ url: platform.url, key: second });
  assert.notEqual((await recovered.whoami()).keyId, (await client.whoami()).keyId, 'the old one still works');
  assert.equal((await platform.stop()).code, 0);
});
