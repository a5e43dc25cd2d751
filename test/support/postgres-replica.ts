/**
 * A streaming replica of a test server: its data folder is copied between `pg_backup_start` and
 * `pg_backup_stop`, for the PostgreSQL from npm has no pg_basebackup.
 */
import { spawn } from 'node:child_process';
import { chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { postgresBinaries } from '../../infra/embedded/postgres-binaries.ts';
import { asUser, serverUser } from '../../infra/embedded/server-user.ts';
import { freePort } from './free-port.ts';

const READY_WITHIN_MS = 60_000;
/** As docker-compose.yml has it. */
const SLOT = 'replica';

export interface Replica {
  /** Of the same database as the primary's url. */
  readonly url: string;
  /** Stands still, or goes on, in what it shows; it goes on receiving. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends as by SIGKILL of a machine. */
  kill(): Promise<void>;
  /** Starts again what was killed, on the same port. */
  start(): Promise<void>;
  /** Until it shows what the primary has written by now. */
  caughtUp(withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * One at a time; a slot that an earlier one has left is made anew.
 *
 * @param primaryUrl of a superuser
 */
export async function startReplica(primaryUrl: string): Promise<Replica> {
  const folder = await mkdtemp(join(tmpdir(), 'plinth-replica-'));
  const data = join(folder, 'data');
  const user = await serverUser();
  const { postgres } = await postgresBinaries();
  const port = await freePort();
  await copyOf(primaryUrl, data);
  const from = new URL(primaryUrl);
  const conninfo = `host=${from.hostname} port=${from.port} user=${from.username} password=${from.password}`;
  await writeFile(join(data, 'standby.signal'), '');
  if (user !== null) {
    await chown(folder, user.uid, user.gid);
    for (const name of ['standby.signal', 'backup_label']) await chown(join(data, name), user.uid, user.gid);
  }
  const settings = {
    primary_conninfo: conninfo,
    primary_slot_name: SLOT,
    hot_standby: 'on',
    fsync: 'off',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Short, so that a query in the way of replay is cancelled while a test watches.
    max_standby_streaming_delay: '100ms',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = new URL(primaryUrl);
  url.port = String(port);

  let server = spawnServer();
  function spawnServer() {
    const child = spawn(postgres, ['-D', data, '-p', String(port), ...args], {
      ...asUser(user),
      stdio: 'ignore',
      env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    return { child, ended };
  }
  const say = (sql: string) => ask(url.href, sql);
  await until(async () => (await say('SELECT pg_is_in_recovery() AS yes'))[0]?.yes === true);

  const end = async (signal: NodeJS.Signals) => {
    server.child.kill(signal);
    await server.ended;
  };
  return {
    url: url.href,
    pause: () => say('SELECT pg_wal_replay_pause()').then(() => undefined),
    resume: () => say('SELECT pg_wal_replay_resume()').then(() => undefined),
    kill: () => end('SIGQUIT'),
    async start() {
      server = spawnServer();
      await until(async () => (await say('SELECT pg_is_in_recovery() AS yes'))[0]?.yes === true);
    },
    async caughtUp(withinMs = READY_WITHIN_MS) {
      // Read models commit without waiting for the disk; this commit waits for it, and for theirs.
      await ask(primaryUrl, `SELECT pg_logical_emit_message(true, 'test', '')`);
      const [row] = await ask(primaryUrl, 'SELECT pg_current_wal_flush_lsn()::text AS lsn');
      await until(async () => {
        const sql = `SELECT pg_last_wal_replay_lsn() >= '${row!.lsn}'::pg_lsn AS yes`;
        return (await say(sql))[0]?.yes === true;
      }, withinMs);
    },
    async stop() {
      await end('SIGINT');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function copyOf(primaryUrl: string, to: string): Promise<void> {
  const client = new pg.Client({ connectionString: primaryUrl });
  await client.connect();
  try {
    const { rows } = await client.query(`SELECT current_setting('data_directory') AS folder`);
    await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    await client.query('SELECT pg_create_physical_replication_slot($1, true)', [SLOT]);
    await client.query(`SELECT pg_backup_start('replica', fast => true)`);
    const left = /\/(postmaster\.(pid|opts)|pg_replslot\/.*|pg_dynshmem\/.*|pgsql_tmp.*)$/;
    await cp(rows[0].folder as string, to, {
      recursive: true,
      preserveTimestamps: true,
      filter: (source) => !left.test(source),
    });
    const stopped = await client.query('SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)');
    await writeFile(join(to, 'backup_label'), stopped.rows[0].labelfile as string);
    const user = await serverUser();
    if (user !== null) await owned(to, user.uid, user.gid);
  } finally {
    await client.end();
  }
}

/** Copied by root, it belongs to root. */
async function owned(folder: string, uid: number, gid: number): Promise<void> {
  const chowning = spawn('chown', ['-R', `${uid}:${gid}`, folder], { stdio: 'ignore' });
  await new Promise((resolve) => chowning.once('exit', resolve));
}

async function ask(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function until(there: () => Promise<boolean>, withinMs = READY_WITHIN_MS): Promise<void> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 50) {
    if (await there().catch(() => false)) return;
    await sleep(50);
  }
  throw new Error(`the replica was not there within ${withinMs} ms`);
}
