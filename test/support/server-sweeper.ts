/** A server that a test starts goes with the process that started it, however that ends. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Sweeper {
  /** Ends the server and removes its folder, now. */
  sweep(): Promise<void>;
}

/**
 * Kills the server whose process id stands in `pidFile` and removes `folder` when this process is gone:
 * its end, even by SIGKILL, closes the pipe that the sweeper reads.
 */
export function sweepServer(pidFile: string, folder: string): Sweeper {
  const script =
    'cat >/dev/null; p=$(cat "$1" 2>/dev/null); [ -n "$p" ] && kill -KILL "$p" 2>/dev/null; while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"';
  const sweeper = spawn('/bin/sh', ['-c', script, 'sh', pidFile, folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  unrefAll(sweeper, sweeper.stdin);
  return {
    async sweep() {
      const swept = new Promise((resolve) => sweeper.once('exit', resolve));
      sweeper.ref();
      sweeper.stdin!.end();
      await swept;
    },
  };
}

/** Whoever forgets them is not kept alive by them. */
export function unrefAll(child: ChildProcess, ...streams: unknown[]): void {
  child.unref();
  for (const stream of streams) (stream as { unref(): void }).unref();
}

/** Ends it by this signal, or after `timeoutMs` by SIGKILL, and waits for its end. */
export async function endChild(
  child: ChildProcess,
  signal: NodeJS.Signals,
  timeoutMs: number,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.ref();
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await ended;
  clearTimeout(late);
}
