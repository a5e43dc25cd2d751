/**
 * The embedded default: a stock PostgreSQL from npm, on loopback, with its data under one folder.
 *
 * Who holds the guard, a session lock on a connection of its own, owns the server: it stops it, and
 * starts it again should it die. The operating system ends that connection with the owner, however it
 * ends; so a server whose owner was killed is adopted by the next one, and a second process beside a
 * living owner (a command line, say) only uses the server and leaves it running.
 */
import { spawn } from 'node:child_process';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  choosePort,
  type DataFolder,
  ensureCluster,
  isAlive,
  openDataFolder,
  SUPERUSER,
  withStartLock,
} from './data-folder.ts';
import { GUARD_NAME, takeGuard } from './guard.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { readPostmaster, servesCluster, stopPostmaster } from './postmaster.ts';
import { asUser, checkReachable, type ServerUser, serverUser } from './server-user.ts';

const DATABASE = 'plinth';
const START_WITHIN_MS = 120_000;
const POLL_MS = 20;
const MAX_PORT_ATTEMPTS = 5;
const MAX_RESTARTS_PER_MINUTE = 5;
/** After a start that failed; longer each time. */
const RESTART_PAUSE_MS = 250;

/** What makes an acknowledged append durable: given on the command line, and asserted after the start. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' } as const;

const SETTINGS: Readonly<Record<string, string>> = {
  ...DURABLE,
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  jit: 'off',
  log_checkpoints: 'off',
  // LOG and FATAL only: errors go to the client that caused them, so that no value of a row is kept here.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

export interface EmbeddedPostgresOptions {
  /** Made if it is not there. */
  readonly dataDir: string;
  /** One line for a person about each step. */
  readonly log?: (line: string) => void;
  /** It died so often that it is not started again: what needs it had better end. */
  readonly failed?: (why: string) => void;
  readonly signal?: AbortSignal;
}

export interface EmbeddedPostgres {
  /** Of the database `plinth`; holds the password. */
  readonly url: string;
  readonly pid: number;
  /** False: another living process owns the server; `stop` leaves it running. */
  readonly owned: boolean;
  stop(): Promise<void>;
}

interface Running {
  readonly pid: number;
  readonly port: number;
  /** Holds the guard; null when another process does. */
  readonly guard: pg.Client | null;
  /** The guard's connection has ended, and so has the server, most likely. Kept from the first moment. */
  readonly lost: Promise<void>;
}

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { signal } = options;
  const log = options.log ?? (() => undefined);
  const user = await serverUser();
  const binaries = await postgresBinaries();
  await checkReachable(user, binaries.postgres, "PostgreSQL's own files");
  const folder = await openDataFolder(options.dataDir, user);
  const start = () =>
    withStartLock(folder, () => adoptOrStart({ folder, binaries, user, log, signal }), signal);

  let running = await start();
  let stopping = false;
  let restarts: number[] = [];
  let restarting: Promise<void> = Promise.resolve();

  function watch(): void {
    if (running.guard === null) return;
    void running.lost.then(() => {
      if (!stopping) restarting = restart();
    });
  }

  /** The same port as before, so that pools find it again by themselves. */
  async function restart(): Promise<void> {
    while (!stopping) {
      const nowMs = Date.now();
      restarts = [...restarts.filter((at) => nowMs - at < 60_000), nowMs];
      if (restarts.length > MAX_RESTARTS_PER_MINUTE) {
        const why = `The embedded PostgreSQL died, or did not start, ${restarts.length} times in a minute: see ${folder.logFile}.`;
        log(why);
        options.failed?.(why);
        return;
      }
      log('The embedded PostgreSQL is gone; starting it again.');
      try {
        running = await start();
        watch();
        return;
      } catch (error) {
        // It can have died again, or a child of the one before may not have noticed its end yet.
        log(`The embedded PostgreSQL could not be started again: ${(error as Error).message}`);
        await sleep(RESTART_PAUSE_MS * restarts.length);
      }
    }
  }

  async function end(): Promise<void> {
    if (running.guard === null) return;
    // It must not keep an idle process alive, but its end has to be seen.
    (running.guard as unknown as { ref(): void }).ref();
    await running.guard.end().catch(() => undefined);
    if (await servesCluster(running.pid, folder.cluster)) await stopPostmaster(running.pid);
  }

  watch();
  return {
    url: urlOf(folder, running.port, DATABASE),
    get pid() {
      return running.pid;
    },
    get owned() {
      return running.guard !== null;
    },
    async stop() {
      if (stopping) return;
      stopping = true;
      await restarting;
      await end();
    },
  };
}

interface Start {
  readonly folder: DataFolder;
  readonly binaries: PostgresBinaries;
  readonly user: ServerUser;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

async function adoptOrStart(start: Start): Promise<Running> {
  const { folder, binaries, user, log, signal } = start;
  const found = await readPostmaster(folder.cluster);
  if (found && (await servesCluster(found.pid, folder.cluster))) {
    const isGone = () => !isAlive(found.pid);
    const adopted = await connectWhenReady(folder, found, signal, isGone).catch(() => null);
    if (adopted) return adopted;
    signal?.throwIfAborted();
    if (await servesCluster(found.pid, folder.cluster)) {
      log('A PostgreSQL runs on the data folder and does not answer; stopping it.');
      await stopPostmaster(found.pid);
    }
  }
  if (found && !(await servesCluster(found.pid, folder.cluster))) {
    // Its number may be another process's by now, which would make PostgreSQL refuse to start.
    await rm(join(folder.cluster, 'postmaster.pid'), { force: true });
  }
  await ensureCluster(folder, binaries.initdb, user, signal);
  for (let attempt = 1; ; attempt++) {
    try {
      return await spawnServer(start);
    } catch (error) {
      signal?.throwIfAborted();
      const taken = /could not bind|could not create any TCP/.test((error as Error).message);
      if (!taken || attempt === MAX_PORT_ATTEMPTS) throw error;
    }
  }
}

async function spawnServer({ folder, binaries, user, signal }: Start): Promise<Running> {
  const port = await choosePort(folder);
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const output = await open(folder.logFile, 'a', 0o600);
  const saidBefore = (await output.stat()).size;
  // A session of its own: Ctrl-C in a terminal reaches this process alone, which stops the server in order.
  const child = spawn(binaries.postgres, ['-D', folder.cluster, '-p', String(port), ...settings], {
    ...asUser(user),
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
  });
  const exited = new AbortController();
  child.once('error', () => exited.abort());
  child.once('exit', () => exited.abort());
  child.unref();
  await output.close();
  try {
    const either = signal ? AbortSignal.any([signal, exited.signal]) : exited.signal;
    return await connectWhenReady(folder, { pid: child.pid ?? 0, port }, either);
  } catch (error) {
    if (!exited.signal.aborted && child.pid !== undefined) await stopPostmaster(child.pid);
    signal?.throwIfAborted();
    if (!exited.signal.aborted) throw error;
    const said = (await readFile(folder.logFile)).subarray(saidBefore).toString('utf8').trim().slice(-1_000);
    throw new Error(`The embedded PostgreSQL did not start; it said: ${said || 'nothing'}`);
  }
}

/** Waits through start and crash recovery. A wrong password, another cluster or its end is an error at once. */
async function connectWhenReady(
  folder: DataFolder,
  server: { pid: number; port: number },
  signal: AbortSignal | undefined,
  isGone: () => boolean = () => false,
): Promise<Running> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    signal?.throwIfAborted();
    const client = new pg.Client({
      connectionString: urlOf(folder, server.port, 'postgres'),
      application_name: `${GUARD_NAME}${process.pid}`,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    client.on('error', () => undefined);
    const lost = new Promise<void>((resolve) => client.once('end', resolve));
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => undefined);
      const code = (error as { code?: string }).code ?? '';
      const starting = code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === '57P03' || code === '';
      if (!starting || isGone() || waitedMs >= START_WITHIN_MS) throw error;
      await sleep(POLL_MS, undefined, signal ? { signal } : undefined).catch(() => undefined);
      continue;
    }
    try {
      return { ...server, guard: await prepare(client, folder), lost };
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }
}

/** Asserts that it is the right server and a durable one, makes the database, takes the guard if it is free. */
async function prepare(client: pg.Client, folder: DataFolder): Promise<pg.Client | null> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY($1)',
    [['data_directory', 'data_checksums', ...Object.keys(DURABLE)]],
  );
  const actual = new Map(rows.map((row) => [row.name, row.setting]));
  for (const [name, wanted] of Object.entries({
    ...DURABLE,
    data_checksums: 'on',
    data_directory: folder.cluster,
  })) {
    if (actual.get(name) !== wanted) {
      throw new Error(
        `The embedded PostgreSQL runs with ${name} = ${actual.get(name)}; it must be ${wanted}.`,
      );
    }
  }
  const database = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
  if (database.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  if (!(await takeGuard(client))) {
    await client.end();
    return null;
  }
  // The guard alone must not keep a process alive that has nothing else to do.
  (client as unknown as { unref(): void }).unref();
  return client;
}

function urlOf(folder: DataFolder, port: number, database: string): string {
  return `postgres://${SUPERUSER}:${folder.password}@127.0.0.1:${port}/${database}`;
}
