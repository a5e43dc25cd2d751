import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Account,
  adminKey,
  dataFolder,
  type Ended,
  embedded,
  launchRole,
  NOBODY,
  plinth,
  postgresPid,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';

/** One line for a person, with what to do; no stack; the exit code says that it failed. */
function sentence(ended: Ended, pattern: RegExp, exitCode = 1): void {
  assert.equal(ended.code, exitCode, ended.stderr);
  const lines = ended.stderr.trim().split('\n');
  assert.equal(lines.length, 1, ended.stderr);
  assert.match(lines[0]!, /^plinth: .*\.$/);
  assert.match(lines[0]!, pattern);
  assert.doesNotMatch(ended.stderr, /^\s+at |Error:|node:internal/m);
}

/** Who may not write everywhere. */
const ordinary: Account = process.getuid?.() === 0 ? NOBODY : null;

test('a taken port is told in one sentence, and nothing is left running', async (t) => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  t.after(() => holder.close());
  const { port } = holder.address() as AddressInfo;
  const folder = await dataFolder(t);
  const ended = await plinth(['start'], { env: embedded(folder, { PLINTH_PORT: String(port) }) });
  sentence(ended, new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken: .*PLINTH_PORT`));
  assert.equal(await postgresPid(folder), null);
});

test('a folder that cannot be written is told in one sentence', async (t) => {
  const folder = await dataFolder(t);
  await mkdir(join(folder, 'closed'), { mode: 0o555 });
  const env = embedded(join(folder, 'closed', 'data'));
  sentence(
    await plinth(['start'], { env, account: ordinary }),
    /closed\/data cannot be written: .*PLINTH_DATA_DIR/,
  );

  const existing = embedded(join(folder, 'closed'));
  sentence(await plinth(['start'], { env: existing, account: ordinary }), /closed.* (cannot be|choose)/);
});

test('a file where the folder should be is told in one sentence', async (t) => {
  const folder = await dataFolder(t);
  await writeFile(join(folder, 'file'), '');
  sentence(
    await plinth(['start'], { env: embedded(join(folder, 'file')) }),
    /file is no folder: .*PLINTH_DATA_DIR/,
  );
  const below = embedded(join(folder, 'file', 'data'));
  sentence(await plinth(['start'], { env: below }), /is no folder: .*PLINTH_DATA_DIR/);
});

test('a host that is not this machine is told in one sentence', async (t) => {
  const folder = await dataFolder(t);
  const ended = await plinth(['start'], { env: embedded(folder, { PLINTH_HOST: '192.0.2.1' }) });
  sentence(ended, /192\.0\.2\.1 is no address of this machine: correct PLINTH_HOST/);
  const named = await plinth(['start'], { env: embedded(folder, { PLINTH_HOST: 'no-such-host.invalid' }) });
  sentence(named, /no-such-host\.invalid is no address of this machine: correct PLINTH_HOST/);
});

test('every setting at fault is told at once, and no secret is shown', async () => {
  const ended = await plinth(['start'], {
    env: {
      PLINTH_PORT: '70000',
      PLINTH_LOG_LEVEL: 'loud',
      PLINTH_MASTER_KEY: 'hunter2',
      PLINTH_PROT: '1',
      DATABASE_URL: 'mysql://root:hunter3@db/x',
    },
  });
  assert.equal(ended.code, 78);
  for (const name of [
    'PLINTH_PORT',
    'PLINTH_LOG_LEVEL',
    'PLINTH_MASTER_KEY',
    'PLINTH_PROT',
    'DATABASE_URL',
  ]) {
    assert.match(ended.stderr, new RegExp(name));
  }
  assert.doesNotMatch(ended.stderr, /hunter|^\s+at /m);
});

test('a database that does not answer, knows no such user or has no such database is told in one sentence', async (t) => {
  const folder = await dataFolder(t);
  const url = new URL(await testDatabase(t));
  const start = (href: string) => plinth(['start'], { env: embedded(folder, { DATABASE_URL: href }) });
  sentence(
    await start('postgres://plinth:hunter2@127.0.0.1:1/plinth'),
    /The database does not answer .*DATABASE_URL/,
  );
  sentence(
    await start('postgres://plinth:hunter2@no-such-host.invalid/plinth'),
    /does not answer .*DATABASE_URL/,
  );
  url.pathname = '/no_such_database';
  sentence(await start(url.href), /does not answer .*DATABASE_URL/);
  url.password = 'hunter2';
  const refused = await start(url.href);
  sentence(refused, /does not answer .*DATABASE_URL/);
  assert.doesNotMatch(refused.stderr, /hunter2/);
});

test('a second process that would serve the API on the same log is refused and told of the first', async (t) => {
  const folder = await dataFolder(t);
  const first = await startRole(t, 'start', { env: embedded(folder) });
  const ended = await plinth(['start'], { env: embedded(folder) });
  sentence(
    ended,
    new RegExp(`Another process serves the API on this log: process ${first.pid} on .*Stop it first`),
  );
  assert.equal((await fetch(`${first.url}/readyz`)).status, 200, 'the first goes on');

  // Beside it, what holds no limits may run.
  const list = await plinth(['projections', 'list', '--json'], { env: embedded(folder) });
  assert.equal(list.code, 0, list.stderr);
  assert.equal((await first.stop('SIGINT')).code, 0);
});

test('another master key than the one that wrapped the data keys is refused', async (t) => {
  const folder = await dataFolder(t);
  const made = await plinth(['admin', 'recover'], { env: embedded(folder) });
  assert.equal(made.code, 0, made.stderr);
  const env = embedded(folder, { PLINTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') });
  sentence(await plinth(['start'], { env }), /master key/i);
  assert.equal(await postgresPid(folder), null);
});

test('Ctrl-C while it starts ends it in order, and a second one at once', async (t) => {
  const folder = await dataFolder(t);
  const env = embedded(folder, { PLINTH_LOG_LEVEL: 'debug' });
  const starting = launchRole(t, 'start', { env });
  await until('the server of the first start', () => postgresPid(folder));
  starting.kill('SIGINT');
  const ended = await starting.ended;
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
  assert.equal(await postgresPid(folder), null);

  const platform = await startRole(t, 'start', { env: { ...env, PLINTH_DRAIN_SECONDS: '60' } });
  platform.kill('SIGINT');
  await until('it is stopping', () => platform.stdout().includes('"message":"stopping"'));
  const key = await adminKey(folder);
  const ready = await fetch(`${platform.url}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /"process":\{"ok":false/);
  const served = await fetch(`${platform.url}/v1/whoami`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal(served.status, 200, 'it serves on until the load balancer has noticed');
  const startedMs = Date.now();
  let cut = false;
  void platform.ended.then(() => {
    cut = true;
  });
  await until('it is cut', () => {
    platform.kill('SIGINT');
    return cut;
  });
  assert.equal((await platform.ended).code, 130);
  assert.ok(Date.now() - startedMs < 20_000, 'nobody waits out the drain');
});
