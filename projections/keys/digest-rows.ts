/** By which digests foreign keys are found. */
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import type { StoredKey } from './key-rows.ts';
import { digestsTarget } from './keys-tables.ts';

/** Replaces the rows of the foreign keys whose digests changed. */
export async function writeDigests(
  tx: Tx,
  tables: Tables,
  before: ReadonlyMap<string, StoredKey>,
  after: ReadonlyMap<string, StoredKey>,
): Promise<void> {
  const digests = (one: StoredKey | undefined) => one?.key.secrets.map((secret) => secret.digest) ?? [];
  const changed = [...after.values()].filter(
    (one) =>
      one.key.format === 'foreign' && digests(one).join(' ') !== digests(before.get(one.key.keyId)).join(' '),
  );
  const replaced = changed.map((one) => one.key.keyId).filter((keyId) => before.has(keyId));
  if (replaced.length > 0) {
    await tx.query(`DELETE FROM ${tables('key_digests')} WHERE key_id = ANY($1::text[])`, [replaced]);
  }
  const rows = changed.flatMap((one) =>
    [...new Set(digests(one))].map((digest) => ({
      tenant: one.key.tenant,
      digest,
      key_id: one.key.keyId,
      created_position: one.createdPosition,
    })),
  );
  await upsertRows(tx, digestsTarget(tables), rows);
}
