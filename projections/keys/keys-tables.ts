/** The tables of the keys read model. Positions and ids compare bytewise, as the log orders them. */
import type { TableSpec, Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';

export const keysTables: readonly TableSpec[] = [
  { name: 'keys', key: ['key_id'] },
  { name: 'key_digests', key: ['tenant', 'digest', 'key_id'] },
  { name: 'owners', key: ['tenant', 'owner_id'] },
  { name: 'tenants', key: ['tenant'] },
];

/**
 * `state` is the key's whole state as JSON text, not jsonb: jsonb and text refuse U+0000, which names and
 * metadata may hold. The other columns are what queries filter by.
 */
const keysColumns = {
  key_id: 'text',
  tenant: 'text',
  owner_id: 'text',
  owner_stream: 'text',
  owner_version: 'bigint',
  use: 'text',
  /** Lower case, without what text cannot hold. */
  name_search: 'text',
  scopes: 'text[]',
  disabled: 'boolean',
  revoked: 'boolean',
  not_before_ms: 'bigint',
  expires_at_ms: 'bigint',
  expired: 'boolean',
  /** When its credits fall due for a refill; null: never. */
  refill_due_ms: 'bigint',
  created_at_ms: 'bigint',
  created_position: 'text',
  version: 'bigint',
  changed_at_ms: 'bigint',
  position: 'text',
  /** Of the events that set name and metadata: an erasure blanks what was set before it. */
  name_position: 'text',
  metadata_position: 'text',
  state: 'text',
};

export type KeysRow = Readonly<Record<keyof typeof keysColumns, unknown>>;

export function keysTarget(tables: Tables): UpsertTable {
  return { table: tables('keys'), columns: keysColumns, key: ['key_id'] };
}

export function digestsTarget(tables: Tables): UpsertTable {
  return {
    table: tables('key_digests'),
    columns: { tenant: 'text', digest: 'text', key_id: 'text', created_position: 'text' },
    key: ['tenant', 'digest', 'key_id'],
  };
}

export function ownersTarget(tables: Tables): UpsertTable {
  return {
    table: tables('owners'),
    columns: {
      tenant: 'text',
      owner_id: 'text',
      version: 'bigint',
      revoked_all_version: 'bigint',
      revoked_all_at_ms: 'bigint',
      erased_position: 'text',
    },
    key: ['tenant', 'owner_id'],
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

export async function createKeyTable(tx: Tx, tables: Tables): Promise<void> {
  // Most updates touch no indexed column: room on the page keeps them heap-only.
  await tx.query(`CREATE TABLE ${tables('keys')} (
    key_id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C",
    owner_stream text COLLATE "C",
    owner_version bigint NOT NULL,
    use text COLLATE "C" NOT NULL,
    name_search text COLLATE "C",
    scopes text[] NOT NULL,
    disabled boolean NOT NULL,
    revoked boolean NOT NULL,
    not_before_ms bigint,
    expires_at_ms bigint,
    expired boolean NOT NULL,
    refill_due_ms bigint,
    created_at_ms bigint NOT NULL,
    created_position text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    changed_at_ms bigint NOT NULL,
    position text COLLATE "C" NOT NULL,
    name_position text COLLATE "C" NOT NULL,
    metadata_position text COLLATE "C" NOT NULL,
    state text NOT NULL
  ) WITH (fillfactor = 75)`);
  await tx.query(`CREATE INDEX ON ${tables('keys')} (tenant, created_position)`);
  await tx.query(
    `CREATE INDEX ON ${tables('keys')} (tenant, owner_id, created_position) WHERE owner_id IS NOT NULL`,
  );
  await tx.query(
    `CREATE INDEX ON ${tables('keys')} (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND NOT expired AND NOT revoked`,
  );
  await tx.query(`CREATE INDEX ON ${tables('keys')} (refill_due_ms) WHERE refill_due_ms IS NOT NULL`);
}

export async function createKeysTables(tx: Tx, tables: Tables): Promise<void> {
  await createKeyTable(tx, tables);
  await tx.query(`CREATE TABLE ${tables('key_digests')} (
    tenant text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    created_position text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, digest, key_id)
  )`);
  await tx.query(`CREATE INDEX ON ${tables('key_digests')} (key_id)`);
  await tx.query(`CREATE TABLE ${tables('owners')} (
    tenant text COLLATE "C" NOT NULL,
    owner_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    revoked_all_version bigint NOT NULL,
    revoked_all_at_ms bigint NOT NULL,
    -- Of the latest erasure of the person; '' if none.
    erased_position text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner_id)
  )`);
  await tx.query(`CREATE INDEX ON ${tables('owners')} (erased_position) WHERE erased_position > ''`);
  await tx.query(`CREATE TABLE ${tables('tenants')} (
    tenant text COLLATE "C" PRIMARY KEY,
    slug text COLLATE "C" NOT NULL,
    suspended boolean NOT NULL,
    version bigint NOT NULL,
    created_at_ms bigint NOT NULL
  )`);
}
