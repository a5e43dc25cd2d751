/** A projection: the only thing that writes a read model, from events alone. */
import type { Decoded, Epoch, EventId, Position } from '../schemas/envelope.ts';

/** The transaction that a projection writes in. */
export interface Tx {
  query<Row extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<readonly Row[]>;
}

/** The qualified, quoted name of one of the projection's tables, in the revision that is being used. */
export type Tables = (name: string) => string;

export interface TableSpec {
  readonly name: string;
  /** Primary key columns: a rebuild is compared with the live table by them. */
  readonly key: readonly string[];
}

export interface Projection<T = Tx> {
  readonly name: string;
  /** Goes up when the tables or what is written to them change; each revision has tables of its own. */
  readonly revision: number;
  /**
   * `stream`: may be fed by Kafka, that is, applied by several processes at once, each with some of the
   * partitions: the events of one stream in order, those of different streams in any order and in
   * concurrent READ COMMITTED transactions. Whatever the interleaving, the rows must end the same, column
   * for column, as in the order of the log. So a row is written from one stream alone; where a rule spans
   * streams, it goes by position, not by order of arrival, and takes a lock before it reads.
   * `log`: needs the log's order, and follows the log itself.
   */
  readonly order: 'stream' | 'log';
  /** The event types it uses; its position advances over all others. */
  readonly types: ReadonlySet<string>;
  readonly tables: readonly TableSpec[];
  /** Whether every change is told in `changes`, for caches that must see it. */
  readonly publishesChanges: boolean;
  /** Makes the tables. No clock, no randomness, no sequence in a default. */
  create(tx: T, tables: Tables): Promise<void>;
  /** Applies events of its types, in log order. Deterministic: the same events make the same rows. */
  apply(tx: T, tables: Tables, events: readonly Decoded[]): Promise<void>;
}

/** What was seen in one snapshot: which history, which tables, through which position. */
export interface Stamp {
  readonly epoch: Epoch;
  readonly revision: number;
  readonly position: Position;
  readonly eventId: EventId | null;
}
