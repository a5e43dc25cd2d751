/** The tables of the list of keys: each follows one kind of stream, so that no two feeds write one row. */
import type { TableSpec, Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';
import { createKeyTable } from './keys-tables.ts';

export const keyListTables: readonly TableSpec[] = [
  { name: 'keys', key: ['key_id'] },
  { name: 'owners', key: ['tenant', 'owner_id'] },
  { name: 'erasures', key: ['tenant', 'owner_id'] },
];

export function listedOwnersTarget(tables: Tables): UpsertTable {
  return {
    table: tables('owners'),
    columns: {
      tenant: 'text',
      owner_id: 'text',
      version: 'bigint',
      revoked_all_version: 'bigint',
      revoked_all_at_ms: 'bigint',
    },
    key: ['tenant', 'owner_id'],
  };
}

export async function createKeyListTables(tx: Tx, tables: Tables): Promise<void> {
  await createKeyTable(tx, tables);
  await tx.query(`CREATE TABLE ${tables('owners')} (
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    revoked_all_version bigint NOT NULL,
    revoked_all_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, owner_id)
  )`);
  // Of the latest erasure of each person.
  await tx.query(`CREATE TABLE ${tables('erasures')} (
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    position text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner_id)
  )`);
  await tx.query(`CREATE INDEX ON ${tables('erasures')} (position)`);
}
