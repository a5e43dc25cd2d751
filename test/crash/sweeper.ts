/** The data folder of a run and the server in it go with the process that drives the run. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Ends the server and removes the folder when this process is gone, however it went. */
export function sweepAfter(folder: string): ChildProcess {
  const sweep =
    'cat >/dev/null; p=$(head -n 1 "$1/postgres/data/postmaster.pid" 2>/dev/null); [ -n "$p" ] && kill -QUIT "$p" 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done; rm -rf "$1"';
  return spawn('/bin/sh', ['-c', sweep, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
}
