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

/**
 * Never changes a map that somebody else may hold: every snapshot stays as it was. What it writes stands on
 * what is committed now, as in READ COMMITTED: others may have committed since it began.
 */
export class Draft {
  readonly #committed: () => Data;
  #writes: ((data: Data) => Data)[] = [];
  #base: Data;
  #data: Data;

  constructor(committed: () => Data) {
    this.#committed = committed;
    this.#base = committed();
    this.#data = this.#base;
  }

  get data(): Data {
    const base = this.#committed();
    if (base !== this.#base) {
      this.#base = base;
      this.#data = this.#writes.reduce((data, write) => write(data), base);
    }
    return this.#data;
  }

  /** To come back to with `undo`. */
  get written(): number {
    return this.#writes.length;
  }

  undo(written: number): void {
    this.#writes = this.#writes.slice(0, written);
    this.#base = this.#committed();
    this.#data = this.#writes.reduce((data, write) => write(data), this.#base);
  }

  put(table: string, key: string, row: Row | null): void {
    const copy = row === null ? null : structuredClone(row);
    this.#write((data) => {
      const rows = new Map(data.tables.get(table));
      if (copy === null) rows.delete(key);
      else rows.set(key, copy);
      return { ...data, tables: new Map(data.tables).set(table, rows) };
    });
  }

  park(stream: StreamId, parked: ParkedStream | null): void {
    this.#write((data) => {
      const all = new Map(data.parked);
      if (parked === null) all.delete(stream);
      else all.set(stream, parked);
      return { ...data, parked: all };
    });
  }

  prune(through: Position): void {
    this.#write((data) => ({ ...data, prunedThrough: through }));
  }

  change(changes: readonly Change[], keptRows: number): void {
    this.#write((data) => {
      const all = [...data.changes, ...changes];
      const gone = all.length - keptRows;
      // Never back: a batch that pruned instead of telling has left a gap above what is deleted here.
      const ends = [data.prunedThrough, ...(gone > 0 ? [all[gone - 1]!.position] : [])].sort();
      const prunedThrough = ends.at(-1)!;
      return { ...data, changes: gone > 0 ? all.slice(gone) : all, prunedThrough };
    });
  }

  #write(write: (data: Data) => Data): void {
    this.#data = write(this.data);
    this.#writes.push(write);
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
