/** Secrets that are minted at first start and lie in files of their own, readable by their owner alone. */
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../commands/clock.ts';

/**
 * The text of `<folder>/<name>`; where there is none, `mint()` is put there first, mode 0600, durably and
 * whole. Of processes that start together one mints and all read the same.
 */
export async function readOrMint(
  folder: string,
  name: string,
  random: Random,
  mint: () => string,
): Promise<string> {
  const path = join(folder, name);
  const found = await readIfThere(path);
  if (found !== null) return found;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${Buffer.from(random.bytes(8)).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(mint());
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // A link, not a rename: it fails where another process was first, instead of replacing its secret.
    await link(draft, path);
    await syncFolder(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return readFile(path, 'utf8');
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
