import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { isAlive } from './data-folder.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';

const WITHIN_MS = 60_000;

/** Hooks run in the order in which they are set: what uses a folder must end before the folder goes. */
const users = new Map<string, (() => unknown)[]>();

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plinth-embedded-'));
  users.set(path, []);
  t.after(async () => {
    for (const end of users.get(path)!) await end();
    users.delete(path);
    await rm(path, { recursive: true, force: true });
  });
  return path;
}

async function start(dataDir: string, log?: (line: string) => void): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...(log && { log }) });
  users.get(dataDir)!.push(() => server.stop());
  return server;
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; !(await condition().catch(() => false)); waitedMs += 20) {
    assert.ok(waitedMs < WITHIN_MS, 'gave up waiting');
    await sleep(20);
  }
}

/** A process of its own that owns the server. */
async function startElsewhere(
  dataDir: string,
): Promise<{ child: ChildProcess; pid: number; owned: boolean; url: string }> {
  const script = fileURLToPath(new URL('../../test/support/embedded-server-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  users.get(dataDir)!.push(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`it ended with ${code} and started nothing`);
  });
  const told = once(createInterface({ input: child.stdout! }), 'line') as Promise<[string]>;
  const [line] = await Promise.race([told, ended]);
  return { child, ...(JSON.parse(line) as { pid: number; owned: boolean; url: string }) };
}

test('the server is durable, on loopback alone, and a second start finds its data', async (t) => {
  const dataDir = await folder(t);
  const first = await start(dataDir);
  assert.deepEqual(
    await ask(
      first.url,
      `SELECT name, setting FROM pg_settings WHERE name IN
       ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'listen_addresses',
        'unix_socket_directories') ORDER BY name`,
    ),
    [
      ['data_checksums', 'on'],
      ['fsync', 'on'],
      ['full_page_writes', 'on'],
      ['listen_addresses', '127.0.0.1'],
      ['synchronous_commit', 'on'],
      ['unix_socket_directories', ''],
    ],
  );
  assert.equal((await stat(join(dataDir, 'password'))).mode & 0o777, 0o600);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();
  assert.equal(isAlive(first.pid), false);

  const second = await start(dataDir);
  assert.equal(second.url, first.url, 'port and password are remembered');
  assert.deepEqual(await ask(second.url, 'SELECT answer FROM kept'), [[42]]);
});

test('nobody gets in without the password', async (t) => {
  const { url } = await start(await folder(t));
  const wrong = new URL(url);
  wrong.password = 'guess';
  await assert.rejects(ask(wrong.href, 'SELECT 1'), /password authentication failed/);
});

test('a server whose owner was killed is adopted, with its data, and stopped by the new owner', async (t) => {
  const dataDir = await folder(t);
  const elsewhere = await startElsewhere(dataDir);
  await ask(elsewhere.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  elsewhere.child.kill('SIGKILL');
  await once(elsewhere.child, 'exit');
  assert.ok(isAlive(elsewhere.pid), 'the server outlives its owner');

  const server = await start(dataDir);
  assert.equal(server.pid, elsewhere.pid);
  assert.equal(server.owned, true);
  assert.deepEqual(await ask(server.url, 'SELECT answer FROM kept'), [[42]]);
  await server.stop();
  assert.equal(isAlive(server.pid), false);
});

test('beside a living owner the server is used and left running', async (t) => {
  const dataDir = await folder(t);
  const owner = await start(dataDir);
  const elsewhere = await startElsewhere(dataDir);
  assert.equal(elsewhere.owned, false);
  const guest = await start(dataDir);
  assert.deepEqual([guest.pid, guest.owned], [owner.pid, false]);
  await guest.stop();
  assert.deepEqual(await ask(owner.url, 'SELECT 1'), [[1]]);
});

test('two processes that start at once make one cluster and share one server', async (t) => {
  const dataDir = await folder(t);
  const both = await Promise.all([startElsewhere(dataDir), startElsewhere(dataDir)]);
  assert.equal(both[0].pid, both[1].pid);
  assert.deepEqual(both.map((one) => one.owned).sort(), [false, true]);
  for (const { child } of both) child.kill('SIGKILL');
  await (await start(dataDir)).stop();
});

test('a server that is killed under its owner is started again at the same address', async (t) => {
  const server = await start(await folder(t));
  await ask(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const before = server.pid;
  process.kill(before, 'SIGKILL');
  await until(async () => {
    await ask(server.url, 'SELECT answer FROM kept');
    return server.pid !== before;
  });
});

test('a server that dies while its owner waits for it to recover is started again', async (t) => {
  const said: string[] = [];
  const server = await start(await folder(t), (line) => said.push(line));
  await ask(server.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  const before = server.pid;
  const [[guard]] = (await ask(
    server.url,
    "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'plinth guard%'",
  )) as [[number]];
  // It stands still and answers no connection, as while it recovers.
  process.kill(before, 'SIGSTOP');
  process.kill(guard, 'SIGKILL');
  await until(async () => said.some((line) => line.includes('is gone')));
  process.kill(before, 'SIGKILL');
  await until(async () => {
    await ask(server.url, 'SELECT answer FROM kept');
    return server.pid !== before;
  });
});

test('a start that fails after the server was lost is tried again', async (t) => {
  const said: string[] = [];
  const dataDir = await folder(t);
  const server = await start(dataDir, (line) => said.push(line));
  const before = server.pid;
  // A configuration that the server refuses, until it is mended.
  const configuration = join(dataDir, 'data', 'postgresql.conf');
  const text = await readFile(configuration, 'utf8');
  await writeFile(configuration, `${text}\nnonsense = on\n`);
  process.kill(before, 'SIGKILL');
  await until(async () => said.some((line) => line.includes('could not be started again')));
  await writeFile(configuration, text);
  await until(async () => {
    await ask(server.url, 'SELECT 1');
    return server.pid !== before;
  });
});

test('a server that dies again and again is given up, and its owner is told', async (t) => {
  const failed: string[] = [];
  const server = await startEmbeddedPostgres({
    dataDir: await folder(t),
    failed: (why) => failed.push(why),
  });
  t.after(() => server.stop());
  for (let last = 0; failed.length === 0; ) {
    await until(async () => failed.length > 0 || server.pid !== last);
    last = server.pid;
    process.kill(last, 'SIGKILL');
    await until(async () => failed.length > 0 || server.pid !== last);
  }
  assert.match(failed[0]!, /died, or did not start, 6 times in a minute: see .*postgres/);
});

test('what an initdb that was killed left is thrown away', async (t) => {
  const dataDir = await folder(t);
  await mkdir(join(dataDir, 'data.new', 'base'), { recursive: true });
  await writeFile(join(dataDir, 'data.new', 'PG_VERSION'), '18\n');
  const server = await start(dataDir);
  assert.deepEqual(await ask(server.url, 'SELECT 1'), [[1]]);
});

test('a pid file whose number is another process by now does not hinder a start', async (t) => {
  const dataDir = await folder(t);
  await (await start(dataDir)).stop();
  const pidFile = join(dataDir, 'data', 'postmaster.pid');
  await writeFile(pidFile, `${process.pid}\n${join(dataDir, 'data')}\n1764000000\n1\n\n127.0.0.1\n\nready\n`);
  const server = await start(dataDir);
  assert.deepEqual(await ask(server.url, 'SELECT 1'), [[1]]);
});

test('a remembered port that is taken is replaced', async (t) => {
  const dataDir = await folder(t);
  const first = await start(dataDir);
  await first.stop();
  const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const second = await start(dataDir);
  assert.notEqual(new URL(second.url).port, new URL(first.url).port);
  const { port } = JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')) as { port: number };
  assert.equal(String(port), new URL(second.url).port);
});

test('a folder that the server cannot reach gets one sentence that says what to do', async (t) => {
  const parent = await folder(t);
  // For root: entered by root alone. For an ordinary user: written by nobody.
  await chmod(parent, process.getuid?.() === 0 ? 0o700 : 0o500);
  await assert.rejects(
    startEmbeddedPostgres({ dataDir: join(parent, 'inner', 'postgres') }),
    (error: Error) => {
      assert.match(
        error.message,
        process.getuid?.() === 0 ? /cannot enter .* or set DATABASE_URL\.$/ : /cannot be made/,
      );
      assert.ok(error.message.includes(parent));
      assert.ok(!error.message.includes('\n'));
      return true;
    },
  );
  await chmod(parent, 0o700);
});

test('a start that is told to stop leaves no server behind', async (t) => {
  const dataDir = await folder(t);
  const stop = new AbortController();
  const starting = startEmbeddedPostgres({ dataDir, signal: stop.signal });
  setImmediate(() => stop.abort());
  await assert.rejects(starting, /abort/i);
  const server = await start(dataDir);
  assert.equal(server.owned, true);
});

test('a process that has nothing else to do sees the end of the server that it stops', async (t) => {
  const dataDir = await folder(t);
  const module = JSON.stringify(new URL('./embedded-postgres.ts', import.meta.url).href);
  const code = `const { startEmbeddedPostgres } = await import(${module});
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)} });
    await server.stop();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
  const [exitCode] = (await once(child, 'exit')) as [number];
  assert.equal(exitCode, 0);
});
