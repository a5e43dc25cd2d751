/** The tables of the list of keys: each follows one kind of stream, so that no two feeds write one row. */
import type { TableSpec, Tables, Tx } from '../projection.ts';
import { createKeyTable, listedColumns } from './key-table.ts';
import { createOwnersTable } from './owner-rows.ts';

export const keyListTables: readonly TableSpec[] = [
  { name: 'keys', key: ['key_id'] },
  { name: 'owners', key: ['tenant', 'owner_id'] },
  { name: 'erasures', key: ['tenant', 'owner_id'] },
];

export async function createKeyListTables(tx: Tx, tables: Tables): Promise<void> {
  await createKeyTable(tx, tables, listedColumns);
  await tx.query(`CREATE INDEX ON ${tables('keys')} (tenant, created_position)`);
  await createOwnersTable(tx, tables);
  // Of the latest erasure of each person.
  await tx.query(`CREATE TABLE ${tables('erasures')} (
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    position text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner_id)
  )`);
  await tx.query(`CREATE INDEX ON ${tables('erasures')} (position)`);
}
