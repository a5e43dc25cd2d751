/** One statement for many rows: what makes a projection fast. */
import type { Tx } from './projection.ts';

export interface UpsertTable {
  /** Qualified and quoted, as `Tables` answers it. */
  readonly table: string;
  /** Column name → SQL type, e.g. `{ key_id: 'text', scopes: 'text[]', limits: 'jsonb', expires_ms: 'bigint' }`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Primary key columns. */
  readonly key: readonly string[];
}

/**
 * Inserts the rows, or replaces all columns of those whose key exists; one statement. Rows are whole
 * (every column; null for none), plain JSON values, and no key comes twice.
 *
 * The rows travel as one JSON document: 1,000 rows of 25 columns measured 34 k rows/s, against 19 k as
 * VALUES, 28 k through jsonb and 32 k through unnest, which also costs twice the CPU here and takes no
 * array columns.
 */
export async function upsertRows(
  tx: Tx,
  target: UpsertTable,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(upsertSql(target), [JSON.stringify(rows)]);
}

/** Fewer rows travel whole. */
const SPLIT_FROM_ROWS = 200;

/**
 * The same for things that are yet to be made rows: the first quarter is sent before the rest is made, so
 * that the database works meanwhile.
 */
export async function upsertEach<A>(
  tx: Tx,
  target: UpsertTable,
  things: readonly A[],
  rowOf: (thing: A) => Readonly<Record<string, unknown>>,
): Promise<void> {
  const first = things.length < SPLIT_FROM_ROWS ? things.length : things.length >> 2;
  const sent = upsertRows(tx, target, things.slice(0, first).map(rowOf));
  // Waited for below, after the rest is made without a pause.
  sent.catch(() => {});
  const rest = things.slice(first).map(rowOf);
  const text = JSON.stringify(rest);
  await sent;
  if (rest.length > 0) await tx.query(upsertSql(target), [text]);
}

export function upsertSql({ table, columns, key }: UpsertTable): string {
  const names = Object.keys(columns);
  const list = names.map(quoted).join(', ');
  const types = names.map((name) => `${quoted(name)} ${columns[name]}`).join(', ');
  const updated = names.filter((name) => !key.includes(name));
  const action =
    updated.length === 0
      ? 'NOTHING'
      : `UPDATE SET ${updated.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', ')}`;
  return (
    `INSERT INTO ${table} (${list}) SELECT ${list} FROM json_to_recordset($1::json) AS r(${types}) ` +
    `ON CONFLICT (${key.map(quoted).join(', ')}) DO ${action}`
  );
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
