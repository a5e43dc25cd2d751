import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { PlinthClient } from '../../clients/node/index.ts';
import { killPostgres } from '../crash/postgres-kill.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  postgresPid,
  startRole,
  until,
} from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';

/** Of `/readyz`: its status, and the names of what stands in the way. */
async function readiness(url: string): Promise<{ status: number; failing: string[]; text: string }> {
  const answer = await fetch(`${url}/readyz`);
  const text = await answer.text();
  const { checks = {} } = JSON.parse(text) as { checks?: Record<string, { ok: boolean }> };
  return {
    status: answer.status,
    text,
    failing: Object.keys(checks).filter((name) => !checks[name]!.ok),
  };
}

test('a database that is gone is named by /readyz while /livez lives; when it is back all goes on by itself', async (t) => {
  const folder = await dataFolder(t);
  const platform = await startRole(t, 'start', { env: embedded(folder) });
  const { url } = platform;
  const client = new PlinthClient({ url, key: await adminKey(folder) });
  const issued = await client.issueKey({ name: 'before' });
  const ready = await readiness(url);
  assert.equal(ready.status, 200, ready.text);
  assert.match(ready.text, /"log".*"database".*"projection:keys".*"projection:tenants".*"projection:usage"/);

  // A server that does not answer is one that is gone, to everyone who asks it.
  const server = (await postgresPid(folder))!;
  process.kill(server, 'SIGSTOP');
  const children = execFileSync('ps', ['-Ao', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === server)
    .map(([pid]) => pid!);
  for (const pid of children) process.kill(pid, 'SIGSTOP');
  let resumed = false;
  const resume = () => {
    if (resumed) return;
    resumed = true;
    for (const pid of [server, ...children]) process.kill(pid, 'SIGCONT');
  };
  t.after(() => {
    try {
      resume();
    } catch {
      // It is gone.
    }
  });
  let told = await readiness(url);
  await until('/readyz says so', async () => {
    told = await readiness(url);
    return told.status === 503;
  });
  assert.ok(told.failing.includes('database') && told.failing.includes('log'), told.text);
  assert.match(told.text, /"code":"unavailable"/);
  assert.doesNotMatch(told.text, /postgres:|127\.0\.0\.1|at \//);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  assert.equal((await fetch(`${url}/metrics`)).status, 200);

  resume();
  await until('/readyz is content again', async () => (await readiness(url)).status === 200);
  assert.equal((await client.verify({ key: issued.secret! })).code, 'VALID');
  assert.equal((await platform.stop()).code, 0);
});

test('an embedded server that is killed under the process is started again, and all goes on by itself', async (t) => {
  const folder = await dataFolder(t);
  const platform = await startRole(t, 'start', { env: embedded(folder) });
  const { url } = platform;
  const client = new PlinthClient({ url, key: await adminKey(folder), deadlineMs: 60_000, maxAttempts: 50 });
  const issued = await client.issueKey({ name: 'before' });
  const server = await postgresPid(folder);
  assert.ok((await killPostgres(folder, 'server', () => 0)) > 1);
  await until('another server', async () => {
    const pid = await postgresPid(folder);
    return pid !== null && pid !== server;
  });
  await until('/readyz is content again', async () => (await readiness(url)).status === 200);
  // The read model may have to catch up once more: its commits are not flushed one by one.
  const seen = await client.verify({ key: issued.secret! }, { position: issued.position! });
  assert.equal(seen.code, 'VALID');
  const later = await client.issueKey({ name: 'after' });
  assert.equal(
    (await client.verify({ key: later.secret! }, { position: later.position! })).code,
    'VALID',
    'projections go on',
  );
  await client.revokeKey(issued.key.id);
  await until(
    'the revocation is seen',
    async () => (await client.verify({ key: issued.secret! })).code === 'REVOKED',
  );
  assert.match(platform.stdout(), /The embedded PostgreSQL is gone; starting it again\./);
  const ended = await platform.stop('SIGINT');
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
  assert.equal(await postgresPid(folder), null);
});

test('while the database is away every answer is a 503 that says when to come again, and a command that is repeated under its key is carried out once', async (t) => {
  const database = new URL(await testDatabase(t));
  const proxy = await startFaultProxy(t, { host: database.hostname, port: Number(database.port) });
  database.host = `127.0.0.1:${proxy.port}`;
  const folder = await dataFolder(t);
  const env = embedded(folder, { DATABASE_URL: database.href, PLINTH_DATABASE_CONNECTIONS: '6' });
  const { url } = await startRole(t, 'start', { env });
  const admin = await adminKey(folder);
  const ask = (method: string, path: string, body?: object) =>
    fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${admin}`,
        ...(body && { 'content-type': 'application/json', 'idempotency-key': 'once' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const issue = () => ask('POST', '/v1/keys', { name: 'Once' });
  assert.equal((await ask('GET', '/v1/keys')).status, 200);

  proxy.cut();
  const codes = new Set<string>();
  await until('its caller is not known any more', async () => {
    for (const answer of await Promise.all([issue(), ask('GET', '/v1/keys')])) {
      const text = await answer.text();
      assert.equal(answer.status, 503, text);
      assert.ok(Number(answer.headers.get('retry-after')) > 0, text);
      codes.add((JSON.parse(text) as { code: string }).code);
    }
    return codes.has('verify_stale');
  });
  assert.ok(codes.has('unavailable'), [...codes].join());

  proxy.heal();
  let first: Response | undefined;
  await until('it is issued', async () => {
    first = await issue();
    return first.status === 201;
  });
  const again = await issue();
  const idOf = async (answer: Response) => ((await answer.json()) as { key: { id: string } }).key.id;
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(await idOf(again), await idOf(first!));
});
