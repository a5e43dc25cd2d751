/** The latest erasure of each person, and the lock that orders erasures and keys between transactions. */
import { type Position, START } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { type OwnerRef, ownerKey } from './owner-rows.ts';

export type Erasure = OwnerRef & { readonly position: Position };

/**
 * Held to the end of the transaction, and taken in a statement of its own before anything is read: in READ
 * COMMITTED each later statement sees what was committed before the lock was given. Batches of keys share
 * it, an erasure has it alone. Without it, one that reads the erasures, finds none and writes a name, and
 * one that reads the owner's keys and blanks those it sees, would both commit having missed the other.
 * With it one of them has committed before the other reads: an erasure that comes later sees every row and
 * blanks it, a key that comes later sees the erasure. Batches of keys never write the same rows.
 *
 * Each revision has a lock of its own: a rebuild does not hold up what is served.
 */
export async function lockErasures(tx: Tx, tables: Tables, how: 'shared' | 'exclusive'): Promise<void> {
  const shared = how === 'shared' ? '_shared' : '';
  await tx.query(`SELECT pg_advisory_xact_lock${shared}(hashtextextended($1, 0))`, [tables('erasures')]);
}

/** Position of the latest erasure of anybody, START if none: events behind it need not ask whose it was. */
export async function latestErasure(tx: Tx, tables: Tables): Promise<Position> {
  const [row] = await tx.query<{ latest: Position | null }>(
    `SELECT max(position) AS latest FROM ${tables('erasures')}`,
  );
  return row?.latest ?? START;
}

/** By `ownerKey`; those who were never erased are not in it. */
export async function loadErasures(
  tx: Tx,
  tables: Tables,
  persons: readonly OwnerRef[],
): Promise<Map<string, Erasure>> {
  if (persons.length === 0) return new Map();
  const rows = await tx.query<{ tenant: string; owner_id: string; position: Position }>(
    `SELECT e.* FROM unnest($1::text[], $2::text[]) AS a (tenant, owner_id)
     JOIN ${tables('erasures')} e ON e.tenant = a.tenant AND e.owner_id = a.owner_id`,
    [persons.map((one) => one.tenant), persons.map((one) => one.ownerId)],
  );
  return new Map(
    rows.map((row) => [
      ownerKey(row.tenant, row.owner_id),
      { tenant: row.tenant, ownerId: row.owner_id, position: row.position },
    ]),
  );
}

/** Keeps the latest of each person. */
export async function writeErasures(tx: Tx, tables: Tables, erasures: readonly Erasure[]): Promise<void> {
  const latest = await loadErasures(tx, tables, erasures);
  for (const erasure of erasures) {
    const name = ownerKey(erasure.tenant, erasure.ownerId);
    if (erasure.position > (latest.get(name)?.position ?? START)) latest.set(name, erasure);
  }
  await upsertRows(
    tx,
    {
      table: tables('erasures'),
      columns: { tenant: 'text', owner_id: 'text', position: 'text' },
      key: ['tenant', 'owner_id'],
    },
    [...latest.values()].map(({ tenant, ownerId, position }) => ({ tenant, owner_id: ownerId, position })),
  );
}
