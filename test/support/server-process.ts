/**
 * A real server that a test starts, kills, freezes and starts again: a process with a folder of its own. Both
 * go when it is stopped, or with the process that started it, however that ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface ServerProcess {
  /** Ends it by this signal, and waits for its end; its folder stays. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Freezes or thaws it: connections stay, and hang. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again as it was, and waits until it is ready. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface ServerKind {
  /** As its folder and what goes wrong name it. */
  readonly name: string;
  /** What it says when it is ready. */
  readonly ready: string;
  readonly startTimeoutMs: number;
  /** It is killed when it does not end on a signal within this time. */
  readonly endTimeoutMs: number;
}

const READY_POLL_MS = 5;

/** @param prepare makes the folder ready, once, and answers the command line that runs the server on it */
export async function startServer(
  kind: ServerKind,
  prepare: (folder: string) => Promise<readonly [program: string, ...args: string[]]>,
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), `plinth-${kind.name.toLowerCase()}-`));
  const pidFile = join(folder, 'pid');
  const sweeper = startSweeper(pidFile, folder);
  let command: readonly [string, ...string[]];
  let server: ChildProcess | null = null;
  const launch = async () => {
    const [program, ...args] = command;
    server = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    unrefAll(server, server.stdout, server.stderr);
    await writeFile(pidFile, String(server.pid));
    await ready(kind, server);
  };
  const kill = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (server) await endChild(server, signal, kind.endTimeoutMs);
  };
  const stop = async () => {
    // A frozen one is ended too.
    await kill('SIGKILL');
    await sweep(sweeper);
  };
  try {
    command = await prepare(folder);
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    kill,
    signal: (signal) => void server?.kill(signal),
    restart: launch,
    stop,
  };
}

async function ready(kind: ServerKind, server: ChildProcess): Promise<void> {
  let said = '';
  for (const stream of [server.stdout!, server.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const endMs = Date.now() + kind.startTimeoutMs;
  while (!said.includes(kind.ready)) {
    if (server.exitCode !== null || server.signalCode !== null || Date.now() > endMs) {
      throw new Error(`${kind.name} did not start: ${said}`);
    }
    await pause(READY_POLL_MS);
  }
}

/**
 * Kills the server whose process id stands in `pidFile` and removes `folder` when this process is gone:
 * its end, even by SIGKILL, closes the pipe that the sweeper reads.
 */
function startSweeper(pidFile: string, folder: string): ChildProcess {
  const script =
    'cat >/dev/null; p=$(cat "$1" 2>/dev/null); [ -n "$p" ] && kill -KILL "$p" 2>/dev/null; while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"';
  const sweeper = spawn('/bin/sh', ['-c', script, 'sh', pidFile, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  unrefAll(sweeper, sweeper.stdin);
  return sweeper;
}

async function sweep(sweeper: ChildProcess): Promise<void> {
  const swept = new Promise((resolve) => sweeper.once('exit', resolve));
  sweeper.ref();
  sweeper.stdin!.end();
  await swept;
}

/** Whoever forgets them is not kept alive by them. */
function unrefAll(child: ChildProcess, ...streams: unknown[]): void {
  child.unref();
  for (const stream of streams) (stream as { unref(): void }).unref();
}

/** Ends it by this signal, or after `timeoutMs` by SIGKILL, and waits for its end. */
async function endChild(child: ChildProcess, signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.ref();
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await ended;
  clearTimeout(late);
}
