/** Opens the data keys in Postgres: brings their schema up, and refuses a keyring that is not theirs. */
import type { Clock, Random } from '../../commands/clock.ts';
import type { KeyStore } from '../secrets/key-store.ts';
import { type Keyring, KeyringFault } from '../secrets/keyring.ts';
import { type StoreDataKeys, storeDataKeys } from '../secrets/store-data-keys.ts';
import { postgresKeyStore } from './key-store.ts';
import { migrate, migrationsIn } from './migrations.ts';
import type { Pool } from './pool.ts';

export interface PostgresDataKeysOptions {
  /** Of the key store's own database; may be that of the log. */
  readonly pool: Pool;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PostgresDataKeys extends StoreDataKeys, Pick<KeyStore, 'restart'> {}

/** Throws `KeyringFault` when the store was first started with other secrets. */
export async function openPostgresDataKeys(options: PostgresDataKeysOptions): Promise<PostgresDataKeys> {
  await migrateDataKeys(options.pool);
  await guardKeyring(options.pool, options.keyring.checkValues);
  const store = postgresKeyStore(options.pool);
  const { keyring, clock, random } = options;
  const dataKeys = storeDataKeys({ store, master: keyring.master, clock, random });
  return { ...dataKeys, restart: (epoch) => store.restart(epoch) };
}

export async function migrateDataKeys(pool: Pool): Promise<void> {
  await migrate(pool, 'plinth_keys', await migrationsIn(new URL('./data-keys-schema/', import.meta.url)));
}

/**
 * Records the check values of secrets seen for the first time, and throws `KeyringFault`, recording
 * nothing, when one seen before is missing or another one: keys would stop verifying, and personal
 * fields stop opening, one by one.
 */
export async function guardKeyring(pool: Pool, checkValues: Keyring['checkValues']): Promise<void> {
  await pool.transaction(async (tx) => {
    const names = Object.keys(checkValues).sort();
    // Of two processes that start for the first time with different secrets, the second waits here.
    await tx.query(
      `INSERT INTO plinth_keys.check_values (name, value)
       SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (name) DO NOTHING`,
      [names, names.map((name) => checkValues[name])],
    );
    const known = await tx.query<{ name: string; value: string }>(
      'SELECT name, value FROM plinth_keys.check_values ORDER BY name',
    );
    const faults = known.flatMap(({ name, value }) => {
      const here = checkValues[name];
      if (here === undefined) return [`${name} is missing`];
      return here === value ? [] : [`${name} is not the one that was used before`];
    });
    if (faults.length === 0) return;
    throw new KeyringFault(
      `This database was started with other secrets (${faults.join(', ')}): put back the master key and all peppers that it was first started with.`,
    );
  });
}
