/**
 * The folder of an embedded server:
 *
 *     data/          the cluster; it is there only when initdb has finished
 *     password       of the superuser, mode 0600
 *     server.json    the port
 *     postgres.log   what the server says
 *     start.lock     pid of a process that is starting it
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  chown,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asUser, checkReachable, type ServerUser } from './server-user.ts';

export const SUPERUSER = 'plinth';
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const LOCK_WAIT_MS = 120_000;

export interface DataFolder {
  readonly root: string;
  readonly cluster: string;
  readonly logFile: string;
  readonly password: string;
}

export async function openDataFolder(path: string, user: ServerUser): Promise<DataFolder> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new Error(
      `The data folder ${path} cannot be made (${(cause as NodeJS.ErrnoException).code}): choose one that this user may write to.`,
      { cause },
    );
  }
  const root = await realpath(path);
  await own(root, user);
  await checkReachable(user, root, `the data folder ${root}`);
  const logFile = join(root, 'postgres.log');
  const said = await stat(logFile).catch(() => null);
  if (said && said.size > MAX_LOG_BYTES) await truncate(logFile);
  return { root, cluster: join(root, 'data'), logFile, password: await password(root, user) };
}

async function own(path: string, user: ServerUser): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}

async function password(root: string, user: ServerUser): Promise<string> {
  const file = join(root, 'password');
  const kept = async () => (await readFile(file, 'utf8').catch(() => '')).trim();
  const mint = async () => {
    const made = randomBytes(24).toString('base64url');
    await writeWhole(file, `${made}\n`);
    await own(file, user);
    return made;
  };
  // Of two that start at once one makes it: the cluster is initialised with what stands in the file.
  return (await kept()) || withStartLock({ root }, async () => (await kept()) || mint());
}

/** All or nothing, also when the machine stops in between. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Makes the cluster if there is none; what a killed initdb left is thrown away. */
export async function ensureCluster(
  folder: DataFolder,
  initdb: string,
  user: ServerUser,
  signal?: AbortSignal,
): Promise<void> {
  if (await stat(join(folder.cluster, 'PG_VERSION')).catch(() => null)) return;
  const unfinished = `${folder.cluster}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await own(unfinished, user);
  const child = spawn(
    initdb,
    [
      `--pgdata=${unfinished}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${join(folder.root, 'password')}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--data-checksums',
      '--no-instructions',
    ],
    {
      ...asUser(user),
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      signal,
    },
  );
  await finished(child, 'initdb');
  await rename(unfinished, folder.cluster);
}

async function finished(child: ChildProcess, name: string): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit, killed) => resolve(exit ?? killed));
  });
  if (code !== 0) throw new Error(`PostgreSQL's ${name} failed (${code}): ${said.trim()}`);
}

/** The remembered port if it is free, else another free one. */
export async function choosePort(folder: DataFolder): Promise<number> {
  const file = join(folder.root, 'server.json');
  const kept = await readFile(file, 'utf8')
    .then((text) => Number((JSON.parse(text) as { port?: unknown }).port))
    .catch(() => 0);
  if (Number.isInteger(kept) && kept > 0 && kept < 65_536 && (await listenOnce(kept)) !== null) return kept;
  const port = await listenOnce(0);
  if (port === null) throw new Error('No free TCP port on 127.0.0.1 for the embedded PostgreSQL.');
  await writeWhole(file, `${JSON.stringify({ port })}\n`);
  return port;
}

function listenOnce(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}

/** Runs `work` while no other process starts a server in this folder. */
export async function withStartLock<R>(
  folder: Pick<DataFolder, 'root'>,
  work: () => Promise<R>,
  signal?: AbortSignal,
): Promise<R> {
  const file = join(folder.root, 'start.lock');
  for (let waitedMs = 0; !(await takeLock(file)); waitedMs += 50) {
    if (waitedMs >= LOCK_WAIT_MS) {
      throw new Error(
        `Another process has been starting PostgreSQL for ${LOCK_WAIT_MS / 1000} s: delete ${file} if none is.`,
      );
    }
    await sleep(50, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string): Promise<boolean> {
  try {
    await writeFile(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  const since = (await stat(file).catch(() => null))?.mtimeMs ?? Date.now();
  const abandoned =
    Number.isInteger(holder) && holder !== process.pid ? !isAlive(holder) : Date.now() - since > 5_000;
  if (abandoned || Date.now() - since > LOCK_WAIT_MS) await rm(file, { force: true });
  return false;
}

/** A process that has ended and that nobody has waited for is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  try {
    // proc(5): the state follows the name, which stands in parentheses and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return false;
  }
}
