/**
 * One partition as Kafka keeps it: offsets are given once and never again, control records take one too,
 * and what an open transaction wrote hides everything behind it from readers of what is committed.
 */

/** Names what a transaction wrote; its end is a control record of each partition by itself. */
export type TransactionId = number;

interface Entry<V> {
  readonly offset: number;
  readonly transaction: TransactionId;
  /** Undefined: a control record. */
  readonly value: V | undefined;
}

export interface Fetched<V> {
  readonly records: readonly { readonly offset: number; readonly value: V }[];
  /** Where the next fetch goes on: past control records and what was aborted, too. */
  readonly next: number;
}

export class MemoryPartition<V> {
  #entries: Entry<V>[] = [];
  #start = 0;
  #end = 0;
  /** The first offset of each transaction that has not ended here. */
  readonly #open = new Map<TransactionId, number>();
  readonly #aborted = new Set<TransactionId>();

  append(value: V, transaction: TransactionId): void {
    if (!this.#open.has(transaction)) this.#open.set(transaction, this.#end);
    this.#push(value, transaction);
  }

  /** Writes the control record of a transaction that has written here. */
  finish(transaction: TransactionId, outcome: 'commit' | 'abort'): void {
    if (!this.#open.delete(transaction)) return;
    if (outcome === 'abort') this.#aborted.add(transaction);
    this.#push(undefined, transaction);
  }

  #push(value: V | undefined, transaction: TransactionId): void {
    this.#entries.push({ offset: this.#end, transaction, value });
    this.#end += 1;
  }

  /** The offset of the oldest record that is still there, whatever it is. */
  get start(): number {
    return this.#start;
  }

  /** The offset that the next record will get. */
  get end(): number {
    return this.#end;
  }

  /** The last stable offset: what readers of what is committed may read up to. */
  get stable(): number {
    return Math.min(this.#end, ...this.#open.values());
  }

  /** An offset that is not there is silently taken for the earliest, as consumers set `earliest` do. */
  fetch(from: number, limit: number): Fetched<V> {
    const stable = this.stable;
    const records: { offset: number; value: V }[] = [];
    let next = from < this.#start || from > this.#end ? this.#start : from;
    for (const { offset, transaction, value } of this.#entries) {
      if (offset < next) continue;
      if (offset >= stable) return { records, next };
      if (value !== undefined && !this.#aborted.has(transaction)) {
        if (records.length === limit) return { records, next };
        records.push({ offset, value });
      }
      next = offset + 1;
    }
    return { records, next: Math.max(next, stable) };
  }

  /** Everything that a reader of what is committed could read now. */
  get committed(): readonly V[] {
    return this.fetch(this.#start, Number.MAX_SAFE_INTEGER).records.map(({ value }) => value);
  }

  /** Retention, or a delete of records: what lies below is gone. Never past the last stable offset. */
  trim(offset: number): void {
    this.#start = Math.max(this.#start, Math.min(offset, this.stable));
    this.#entries = this.#entries.filter((entry) => entry.offset >= this.#start);
  }

  /** Of each key the last committed record stays, at its offset; what is open stays as it is. */
  compact(keyOf: (value: V) => string): void {
    const stable = this.stable;
    const last = new Map<string, number>();
    const readable = ({ offset, transaction, value }: Entry<V>) =>
      value !== undefined && offset < stable && !this.#aborted.has(transaction);
    for (const entry of this.#entries) {
      if (readable(entry)) last.set(keyOf(entry.value as V), entry.offset);
    }
    this.#entries = this.#entries.filter(
      (entry) =>
        entry.offset >= stable || (readable(entry) && last.get(keyOf(entry.value as V)) === entry.offset),
    );
  }
}
