/** The tables of the keys read model. Positions and ids compare bytewise, as the log orders them. */
import type { TableSpec, Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';
import { createKeyTable, leanColumns } from './key-table.ts';
import { createOwnersTable } from './owner-rows.ts';

export const keysTables: readonly TableSpec[] = [
  { name: 'keys', key: ['key_id'] },
  { name: 'key_digests', key: ['tenant', 'digest', 'key_id'] },
  { name: 'owners', key: ['tenant', 'owner_id'] },
  { name: 'tenants', key: ['tenant'] },
];

export function digestsTarget(tables: Tables): UpsertTable {
  return {
    table: tables('key_digests'),
    columns: { tenant: 'text', digest: 'text', key_id: 'text', created_position: 'text' },
    key: ['tenant', 'digest', 'key_id'],
  };
}

export function tenantsTarget(tables: Tables): UpsertTable {
  return {
    table: tables('tenants'),
    columns: {
      tenant: 'text',
      slug: 'text',
      suspended: 'boolean',
      version: 'bigint',
      created_at_ms: 'bigint',
    },
    key: ['tenant'],
  };
}

export async function createKeysTables(tx: Tx, tables: Tables): Promise<void> {
  await createKeyTable(tx, tables, leanColumns);
  await tx.query(
    `CREATE INDEX ON ${tables('keys')} (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND NOT expired AND NOT revoked`,
  );
  await tx.query(`CREATE TABLE ${tables('key_digests')} (
    tenant text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    created_position text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, digest, key_id)
  )`);
  await tx.query(`CREATE INDEX ON ${tables('key_digests')} (key_id)`);
  await createOwnersTable(tx, tables);
  await tx.query(`CREATE TABLE ${tables('tenants')} (
    tenant text COLLATE "C" PRIMARY KEY,
    slug text COLLATE "C" NOT NULL,
    suspended boolean NOT NULL,
    version bigint NOT NULL,
    created_at_ms bigint NOT NULL
  )`);
}
