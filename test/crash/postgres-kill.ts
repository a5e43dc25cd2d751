/** SIGKILL of a PostgreSQL server, in the ways in which a machine may do it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readPostmaster } from '../../infra/embedded/postmaster.ts';

/** `server`: all of it. `postmaster`: its children are left to notice. `backend`: the postmaster recovers by itself. */
export type PostgresKill = 'server' | 'postmaster' | 'backend';

/** Answers how many processes were killed; 0 where none ran. */
export async function killPostgres(
  dataDir: string,
  what: PostgresKill,
  pick: (n: number) => number,
): Promise<number> {
  const postmaster = await readPostmaster(join(dataDir, 'postgres', 'data'));
  if (!postmaster) return 0;
  const children = what === 'postmaster' ? [] : await childrenOf(postmaster.pid);
  const victims =
    what === 'backend'
      ? children.length === 0
        ? []
        : [children[pick(children.length)]!]
      : [postmaster.pid, ...children];
  return victims.filter(killed).length;
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-Ao', 'pid=,ppid=']);
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child!);
}

function killed(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
