/** One statement for many rows: what makes a projection fast. */
import type { Tx } from './projection.ts';

export interface UpsertTable {
  /** Qualified and quoted, as `Tables` answers it. */
  readonly table: string;
  /** Column name → SQL type, e.g. `{ key_id: 'text', scopes: 'jsonb', expires_ms: 'bigint' }`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Primary key columns. */
  readonly key: readonly string[];
}

/**
 * Inserts the rows, or replaces all columns of those whose key exists; one multi-row statement.
 * Rows must be whole (every column; null for none) and no key may come twice.
 */
export declare function upsertRows(
  tx: Tx,
  target: UpsertTable,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void>;
