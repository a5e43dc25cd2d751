/** What a transaction of the projection store in memory has written and not committed. */
import type { Change } from '../../projections/changes.ts';
import type { ParkedStream } from '../../projections/store.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';

export type Row = Readonly<Record<string, unknown>>;

/** A tiny table API: what projections over this engine write with. Rows are copied in and out. */
export interface MemoryTx {
  put(table: string, key: string, row: Row): Promise<void>;
  get(table: string, key: string): Promise<Row | null>;
  delete(table: string, key: string): Promise<void>;
  /** All rows, ordered by key. */
  scan(table: string): Promise<readonly { readonly key: string; readonly row: Row }[]>;
}

export interface Data {
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, Row>>;
  readonly parked: ReadonlyMap<StreamId, ParkedStream>;
  readonly changes: readonly Change[];
  readonly prunedThrough: Position;
}

export const NO_DATA: Data = {
  tables: new Map(),
  parked: new Map(),
  changes: [],
  prunedThrough: '' as Position,
};

/** Never changes a map that somebody else may hold: every snapshot stays as it was. */
export class Draft {
  data: Data;
  constructor(data: Data) {
    this.data = data;
  }

  put(table: string, key: string, row: Row | null): void {
    const rows = new Map(this.data.tables.get(table));
    if (row === null) rows.delete(key);
    else rows.set(key, structuredClone(row));
    this.data = { ...this.data, tables: new Map(this.data.tables).set(table, rows) };
  }

  park(stream: StreamId, parked: ParkedStream | null): void {
    const all = new Map(this.data.parked);
    if (parked === null) all.delete(stream);
    else all.set(stream, parked);
    this.data = { ...this.data, parked: all };
  }

  change(changes: readonly Change[], keptRows: number): void {
    const all = [...this.data.changes, ...changes];
    const gone = all.length - keptRows;
    // Never back: a batch that pruned instead of telling has left a gap above what is deleted here.
    const ends = [this.data.prunedThrough, ...(gone > 0 ? [all[gone - 1]!.position] : [])].sort();
    const prunedThrough = ends.at(-1)!;
    this.data = { ...this.data, changes: gone > 0 ? all.slice(gone) : all, prunedThrough };
  }
}

export function memoryTx(draft: () => Draft, turn: (label: string) => Promise<void>): MemoryTx {
  return {
    async put(table, key, row) {
      await turn('store.tx.put');
      draft().put(table, key, row);
    },
    async get(table, key) {
      await turn('store.tx.get');
      const row = draft().data.tables.get(table)?.get(key);
      return row ? structuredClone(row) : null;
    },
    async delete(table, key) {
      await turn('store.tx.delete');
      draft().put(table, key, null);
    },
    async scan(table) {
      await turn('store.tx.scan');
      return sortedRows(draft().data, table);
    },
  };
}

export function sortedRows(data: Data, table: string): { key: string; row: Row }[] {
  return [...(data.tables.get(table) ?? [])]
    .map(([key, row]) => ({ key, row: structuredClone(row) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}
