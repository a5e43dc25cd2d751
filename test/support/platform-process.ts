/** The product as its users run it: `bin/plinth` as a child process, in a data folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readPostmaster } from '../../infra/embedded/postmaster.ts';
import { sweepAfter } from '../crash/sweeper.ts';
import type { Cleanup } from './postgres.ts';

export const PLINTH = fileURLToPath(new URL('../../bin/plinth', import.meta.url));
const POLL_MS = 25;
/** Two loaded cores may take long; nothing waits for it that does not hang. */
export const PATIENCE_MS = 60_000;

/** Who runs it; null: whoever runs the tests. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** An ordinary user of every Unix, who owns nothing. */
export const NOBODY: Account = { uid: 65_534, gid: 65_534 };

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly account?: Account;
  readonly input?: string;
  /** `bin/plinth` of another copy. */
  readonly program?: string;
}

/** Settings that the tests' own environment may hold do not reach the child; what covers its lines does. */
function environment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(PLINTH_|DATABASE_|KAFKA_|REDIS_|EVENT_LOG_URL|DATA_KEYS_URL|NODE_TEST_CONTEXT|NODE_OPTIONS)/.test(
        name,
      ),
  );
  return { ...Object.fromEntries(inherited), ...env };
}

function launch(args: readonly string[], { env, account, program = PLINTH }: RunOptions): ChildProcess {
  return spawn(program, args, {
    // Another account may not write what tells which lines were covered.
    env: { ...environment(env), ...(account && { NODE_V8_COVERAGE: '' }) },
    // No folder of this project is anybody's to write to.
    cwd: '/',
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(account ?? {}),
  });
}

/** A folder for data that goes with the test, and with it a server that still runs on it. */
export async function dataFolder(t: Cleanup, account: Account = null): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'plinth-platform-'));
  await chmod(root, 0o755);
  const folder = join(root, 'data');
  await mkdir(folder);
  if (account) await chown(folder, account.uid, account.gid);
  const sweeper = sweepAfter(folder);
  t.after(async () => {
    const swept = new Promise((resolve) => sweeper.once('exit', resolve));
    sweeper.stdin!.end();
    await swept;
    await rm(root, { recursive: true, force: true });
  });
  return folder;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a verb to its end. */
export async function plinth(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = launch(args, options);
  const said = listen(child);
  child.stdin!.on('error', () => undefined);
  child.stdin!.end(options.input ?? '');
  return within(PATIENCE_MS, `plinth ${args.join(' ')} did not end`, said.ended, () => child.kill('SIGKILL'));
}

export interface PlatformProcess {
  readonly pid: number;
  /** Where the API listens; empty for a role that serves none. */
  readonly url: string;
  readonly ended: Promise<Ended>;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

export type RoleName = 'start' | 'api' | 'projector' | 'relay' | 'scheduler';

/** Launches a role and does not wait for it to be there; it is killed after the test if it still runs. */
export function launchRole(t: Cleanup, role: RoleName, options: RunOptions = {}): PlatformProcess {
  const child = launch([role], options);
  child.stdin!.end();
  const said = listen(child);
  let ended = false;
  void said.ended.then(() => {
    ended = true;
  });
  t.after(async () => {
    if (ended) return;
    child.kill('SIGKILL');
    await said.ended;
  });
  return {
    pid: child.pid!,
    get url() {
      return /Plinth is at (http:\/\/\S+?),/.exec(said.stderr())?.[1] ?? '';
    },
    ended: said.ended,
    stdout: said.stdout,
    stderr: said.stderr,
    kill: (signal) => void child.kill(signal),
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return within(PATIENCE_MS, `plinth ${role} did not end on ${signal}`, said.ended);
    },
  };
}

/** Starts a role and answers when it says that it is there. Rejects with what it said when it ends before. */
export async function startRole(
  t: Cleanup,
  role: RoleName,
  options: RunOptions = {},
): Promise<PlatformProcess> {
  const launched = launchRole(t, role, options);
  const serves = role === 'start' || role === 'api';
  const started = () => launched.url !== '' || (!serves && launched.stdout().includes('"message":"started"'));
  let ended: Ended | undefined;
  void launched.ended.then((end) => {
    ended = end;
  });
  await until(`plinth ${role} started`, () => {
    if (ended) throw new Error(`plinth ${role} ended: ${JSON.stringify(ended)}`);
    return started();
  });
  return launched;
}

/** What `start` needs to run on a folder, on a port of its own. */
export function embedded(folder: string, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PLINTH_DATA_DIR: folder, PLINTH_PORT: '0', ...env };
}

export async function adminKey(folder: string): Promise<string> {
  return (await readFile(join(folder, 'admin.key'), 'utf8')).trim();
}

/** The embedded server's pid, or null when none runs. */
export async function postgresPid(folder: string): Promise<number | null> {
  const found = await readPostmaster(join(folder, 'postgres', 'data'));
  if (!found) return null;
  try {
    process.kill(found.pid, 0);
    return found.pid;
  } catch {
    return null;
  }
}

/** The database of the embedded server. */
export async function embeddedUrl(folder: string): Promise<string> {
  const password = (await readFile(join(folder, 'postgres', 'password'), 'utf8')).trim();
  const { port } = JSON.parse(await readFile(join(folder, 'postgres', 'server.json'), 'utf8'));
  return `postgres://plinth:${password}@127.0.0.1:${port}/plinth`;
}

/** Looks until it holds; what it throws is thrown. */
export async function until(what: string, holds: () => unknown, ms = PATIENCE_MS): Promise<void> {
  const endMs = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not within ${ms} ms: ${what}`);
    await pause(POLL_MS);
  }
}

function listen(child: ChildProcess) {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  ended.catch(() => undefined);
  return { ended, stdout: () => stdout, stderr: () => stderr };
}

async function within<T>(ms: number, why: string, work: Promise<T>, late?: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late?.();
      reject(new Error(why));
    }, ms);
  });
  return Promise.race([work, waited]).finally(() => clearTimeout(timer));
}
