/** A projection: the only thing that writes a read model, from events alone. */
import type {
  Decoded,
  DecodedEvent,
  Epoch,
  EventId,
  Position,
  PublicDecoded,
  Recorded,
} from '../schemas/envelope.ts';
import { topicDomainOf } from '../schemas/topics.ts';

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

export type Projection<T = Tx> = Writes<T> & Order & Reads<T>;

/**
 * What of its events it is given, and so what can park a stream. `apply` takes events of its types, in log
 * order. Deterministic: the same events make the same rows.
 */
export type Reads<T> =
  | {
      /** All that people wrote too. A sealed field that does not open parks the stream. */
      readonly reads: 'personal';
      apply(tx: T, tables: Tables, events: readonly Decoded[]): Promise<void>;
    }
  | {
      /** No personal field: all are null, none is opened, and whether one is damaged is never known. */
      readonly reads: 'public';
      apply(tx: T, tables: Tables, events: readonly PublicDecoded[]): Promise<void>;
    };

/** Any projection, given events that were decoded as it asked (`decodeRun`). */
export interface Applies<T> {
  apply(tx: T, tables: Tables, events: readonly DecodedEvent[]): Promise<void>;
}

export type Order =
  /** Needs the log's order, and follows the log itself. */
  | { readonly order: 'log' }
  /**
   * May be fed by Kafka, that is, applied by several processes at once, each with some of the
   * partitions: the events of one stream in order, those of different streams in any order and in
   * concurrent READ COMMITTED transactions. Whatever the interleaving, the rows must end the same, column
   * for column, as in the order of the log. So a row is written from one stream alone; where a rule spans
   * streams, it goes by position, not by order of arrival, and takes a lock before it reads.
   * `domains` are those of its events' streams; what others hold it does not use.
   */
  | { readonly order: 'stream'; readonly domains: readonly string[] };

interface Writes<T> {
  readonly name: string;
  /** Goes up when the tables or what is written to them change; each revision has tables of its own. */
  readonly revision: number;
  /** The event types it uses; its position advances over all others. */
  readonly types: ReadonlySet<string>;
  readonly tables: readonly TableSpec[];
  /** Whether every change is told in `changes`, for caches that must see it: in log order, so not from Kafka. */
  readonly publishesChanges: boolean;
  /** Makes the tables. No clock, no randomness, no sequence in a default. */
  create(tx: T, tables: Tables): Promise<void>;
}

/** What was seen in one snapshot: which history, which tables, through which position. */
export interface Stamp {
  readonly epoch: Epoch;
  readonly revision: number;
  readonly position: Position;
  readonly eventId: EventId | null;
}

/** The domains whose topics may feed it, or null: it follows the log. */
export function feedDomains(
  projection: Order & Pick<Projection<never>, 'publishesChanges'>,
): readonly string[] | null {
  return projection.order === 'stream' && !projection.publishesChanges ? projection.domains : null;
}

/** Whether an event of its types is of a stream that it uses: by log and by Kafka it sees the same. */
export function usesStream(projection: Order, { stream }: Pick<Recorded, 'stream'>): boolean {
  if (projection.order === 'log') return true;
  const domain = topicDomainOf(stream);
  return domain !== null && projection.domains.includes(domain);
}
