/** PostgreSQL refuses to run as root: started by root, it runs as the system user `postgres`. */
import { execFile, type SpawnOptions } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAME = 'postgres';

/** Null: as whoever runs this process. */
export type ServerUser = { readonly uid: number; readonly gid: number } | null;

export async function serverUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return null;
  const known = await lookUp();
  if (known) return known;
  await create();
  const created = await lookUp();
  if (created) return created;
  throw new Error(
    `PostgreSQL does not run as root and the system user "${NAME}" could not be created: create it ("useradd --system ${NAME}"), start as an ordinary user, or set DATABASE_URL.`,
  );
}

async function lookUp(): Promise<ServerUser> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number.parseInt((await run('id', [flag, NAME])).stdout, 10)),
    );
    return Number.isInteger(uid) && Number.isInteger(gid) ? { uid: uid!, gid: gid! } : null;
  } catch {
    return null;
  }
}

/** `useradd` (Debian, Red Hat) or `adduser` (Alpine). */
async function create(): Promise<void> {
  const ways: [string, string[]][] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', NAME]],
    ['adduser', ['-S', '-D', '-H', '-s', '/bin/false', NAME]],
  ];
  for (const [command, args] of ways) {
    try {
      await run(command, args);
      return;
    } catch {
      // The next one, or the caller's message.
    }
  }
}

/** Options for a child process that runs as the server's user. */
export function asUser(user: ServerUser): Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'> {
  // The current folder may be one that the user cannot enter.
  return user === null ? { cwd: '/' } : { uid: user.uid, gid: user.gid, cwd: '/' };
}

/** Throws one sentence when the server's user cannot enter a folder on the way to `path`. */
export async function checkReachable(user: ServerUser, path: string, what: string): Promise<void> {
  if (user === null || (await canReach(user, path))) return;
  let blocked = path;
  for (let parent = dirname(blocked); parent !== blocked; parent = dirname(parent)) {
    if (await canReach(user, parent)) break;
    blocked = parent;
  }
  throw new Error(
    `PostgreSQL runs as the user "${NAME}" when root starts it, and that user cannot enter ${blocked} on the way to ${what}: move the project to a folder such as /srv or /opt, start it as an ordinary user, or set DATABASE_URL.`,
  );
}

async function canReach(user: NonNullable<ServerUser>, path: string): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'test -x "$1"', 'sh', path], asUser(user));
    return true;
  } catch {
    return false;
  }
}
