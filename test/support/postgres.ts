/**
 * Databases for tests: each test gets a fresh one on a server that the whole run shares.
 *
 * The server is that of `TEST_POSTGRES_URL` (the test runner starts one and sets it), else one of this
 * process's own, in a temporary folder, started when the first test asks for it.
 */
import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../infra/embedded/embedded-postgres.ts';

export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** What a test context, a suite or `node:test` itself offers. */
export interface Cleanup {
  after(fn: () => unknown): void;
}

/** Starts a server whose folder goes when it stops, or when this process ends in whatever way. */
export async function startTestServer(): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'plinth-test-'));
  const server = await startEmbeddedPostgres({ dataDir: folder });
  // Reads until this process closes the pipe: its end, even by SIGKILL, does.
  const sweep =
    'cat >/dev/null; kill -QUIT "$1" 2>/dev/null; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"';
  const sweeper = spawn('/bin/sh', ['-c', sweep, 'sh', String(server.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  sweeper.unref();
  (sweeper.stdin as unknown as { unref(): void }).unref();
  return {
    url: server.url,
    async stop() {
      await server.stop();
      sweeper.stdin.end();
    },
  };
}

let own: Promise<TestServer> | undefined;

async function serverUrl(): Promise<string> {
  const given = process.env.TEST_POSTGRES_URL;
  if (given !== undefined && given !== '') return given;
  own ??= startTestServer();
  return (await own).url;
}

let made = 0;

/** Connection string of a fresh, empty database; it is dropped after the test. */
export async function testDatabase(t: Cleanup): Promise<string> {
  const server = await serverUrl();
  made += 1;
  const name = `plinth_test_${process.pid}_${made}_${Math.random().toString(36).slice(2, 8)}`;
  await onServer(server, (client) => client.query(`CREATE DATABASE ${name}`));
  t.after(() => {
    // Not awaited: hooks run in the order in which they were set, and those that close pools come later.
    void dropWhenUnused(server, name);
  });
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

const DROP_POLL_MS = 50;
const DROP_FORCED_AFTER_MS = 3_000;

async function dropWhenUnused(server: string, name: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < DROP_FORCED_AFTER_MS; waitedMs += DROP_POLL_MS) {
    const users = await onServer(server, (client) =>
      client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [name]),
    );
    if (users.rowCount === 0) break;
    await new Promise((resolve) => setTimeout(resolve, DROP_POLL_MS));
  }
  await onServer(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
}

async function onServer<R>(url: string, work: (client: pg.Client) => Promise<R>): Promise<R> {
  const client = new pg.Client({ connectionString: url, application_name: 'plinth test databases' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
