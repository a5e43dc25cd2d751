/** The table of keys, in the two widths in which it is kept. Positions and ids compare bytewise. */
import type { Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';

/** Definition by column; it begins with the type. */
type Columns = Readonly<Record<string, string>>;
export type RowOf<Of extends Columns> = Readonly<Record<keyof Of, unknown>>;

/**
 * `state` is the key's whole state as JSON text, not jsonb: jsonb and text refuse U+0000, which names and
 * metadata may hold. The other columns are what queries filter by.
 */
const columnsOfBoth = {
  key_id: 'text COLLATE "C" PRIMARY KEY',
  tenant: 'text COLLATE "C" NOT NULL',
  owner_id: 'text COLLATE "C"',
  owner_version: 'bigint NOT NULL',
  revoked: 'boolean NOT NULL',
  expires_at_ms: 'bigint',
  expired: 'boolean NOT NULL',
  created_position: 'text COLLATE "C" NOT NULL',
  state: 'text NOT NULL',
};
export type RowOfBoth = RowOf<typeof columnsOfBoth>;

/** For verify, reactors and the scheduler: nothing that is personal. */
export const leanColumns = {
  ...columnsOfBoth,
  /** Of the owner; null without one. Parked, it takes the key along. */
  owner_stream: 'text COLLATE "C"',
};

/** For management. */
export const listedColumns = {
  ...columnsOfBoth,
  use: 'text COLLATE "C" NOT NULL',
  /** Lower case, without what text cannot hold. */
  name_search: 'text COLLATE "C"',
  scopes: 'text[] NOT NULL',
  disabled: 'boolean NOT NULL',
  not_before_ms: 'bigint',
  created_at_ms: 'bigint NOT NULL',
  position: 'text COLLATE "C" NOT NULL',
  /** Of the events that set name and metadata: an erasure blanks what was set before it. */
  name_position: 'text COLLATE "C" NOT NULL',
  metadata_position: 'text COLLATE "C" NOT NULL',
};

export function keyTarget(tables: Tables, columns: Columns): UpsertTable {
  const types = Object.entries(columns).map(([name, definition]) => [name, definition.split(' ', 1)[0]!]);
  return { table: tables('keys'), columns: Object.fromEntries(types), key: ['key_id'] };
}

export async function createKeyTable(tx: Tx, tables: Tables, columns: Columns): Promise<void> {
  const definitions = Object.entries(columns).map(([name, definition]) => `"${name}" ${definition}`);
  // Most updates touch no indexed column: room on the page keeps them heap-only.
  await tx.query(`CREATE TABLE ${tables('keys')} (${definitions.join(', ')}) WITH (fillfactor = 75)`);
  await tx.query(
    `CREATE INDEX ON ${tables('keys')} (tenant, owner_id, created_position) WHERE owner_id IS NOT NULL`,
  );
}
