/**
 * The second file of a backup: the wrapped data keys, useless without the keyring that wrapped them.
 * Check values of the keyring travel with it, so that an import under another keyring is refused before
 * it can leave a log that nobody can read and keys that no longer verify.
 */
import { readBackup, readBackupHeader, writeBackup } from './backup-file.ts';
import type { BackupProgress } from './log-backup.ts';

/** One row of the key store, as JSON. */
export type KeyRow = Readonly<Record<string, unknown>>;

/** What a key store offers to be backed up. */
export interface KeyBackup {
  /** Every row, in one snapshot. Keys stay wrapped. */
  dump(): AsyncIterable<KeyRow>;
  /**
   * Fills an empty store in one transaction: when the rows throw, nothing is kept. Throws when the store
   * is not empty. Answers the number of rows.
   */
  load(rows: AsyncIterable<KeyRow>): Promise<number>;
}

/** By name of the secret (`master`, `pepper 1`): something that only the same secret gives, and that gives nothing away. */
export type CheckValues = Readonly<Record<string, string>>;

interface KeyBackupHeader {
  /** Epoch of the log that was exported beside it. */
  readonly epoch: string;
  readonly checkValues: CheckValues;
}

interface KeyBackupOptions {
  readonly keys: KeyBackup;
  readonly checkValues: CheckValues;
  readonly path: string;
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** `epoch`: of the log's own file, which was written before. Answers the number of rows. */
export async function exportKeys(options: KeyBackupOptions & { readonly epoch: string }): Promise<number> {
  const { keys, checkValues, epoch, path, onProgress } = options;
  async function* rows(): AsyncGenerator<KeyRow> {
    let done = 0;
    for await (const row of keys.dump()) {
      yield row;
      done += 1;
      if (done % 1_000 === 0) onProgress?.({ done, total: done });
    }
  }
  return writeBackup(path, 'plinth-keys', { epoch, checkValues } satisfies KeyBackupHeader, rows());
}

export class WrongKeyring extends Error {
  override readonly name = 'WrongKeyring';
}

/**
 * To be called before either file is imported: throws `WrongKeyring` when a secret of the backup is missing
 * here or another one, and when the two files are not of one log. More peppers here are fine.
 */
export async function checkKeyring(options: {
  readonly path: string;
  readonly checkValues: CheckValues;
  /** From the header of the log's file. */
  readonly epoch: string;
}): Promise<void> {
  const header = await readBackupHeader<KeyBackupHeader>(options.path, 'plinth-keys');
  const faults = Object.entries(header.checkValues).flatMap(([name, value]) => {
    const here = options.checkValues[name];
    if (here === undefined) return [`${name} is missing here`];
    return here === value ? [] : [`${name} is another one here`];
  });
  if (faults.length > 0) {
    throw new WrongKeyring(
      `The backup was made under another keyring (${faults.join(', ')}): put the keyring of the backed-up platform in place, then import again. Nothing was imported.`,
    );
  }
  if (header.epoch !== options.epoch) {
    throw new WrongKeyring(
      'The two files are not of one backup: the log and the data keys name different logs. Nothing was imported.',
    );
  }
}

/**
 * To be called before the log is imported: a log whose keys then cannot be imported is of no use. Throws
 * when the file is not as it was written, or the store is not empty.
 */
export async function checkKeyBackup(options: Pick<KeyBackupOptions, 'keys' | 'path'>): Promise<void> {
  for await (const _row of readBackup<KeyRow>(options.path, 'plinth-keys'));
  if (!(await isEmpty(options.keys))) {
    throw new Error(
      'The key store is not empty: import into a new data folder or database. Nothing was imported.',
    );
  }
}

export async function isEmpty(keys: KeyBackup): Promise<boolean> {
  for await (const _row of keys.dump()) return false;
  return true;
}

/** Answers the number of rows. */
export async function importKeys(options: KeyBackupOptions & { readonly epoch: string }): Promise<number> {
  await checkKeyring(options);
  return options.keys.load(readBackup<KeyRow>(options.path, 'plinth-keys'));
}
