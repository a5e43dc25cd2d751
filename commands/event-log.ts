/**
 * The port of the event log: the only truth. Its contract is `test/contracts/event-log.ts`; an adapter
 * inherits the suite in a few lines.
 */
import type { Epoch, EventId, NewEvent, Position, Recorded, Slice, StreamId } from '../schemas/envelope.ts';

/** The version that the stream must have (0: it must not exist), or no demand at all. */
export type Expected = number | 'any';

export interface Appended {
  readonly ok: true;
  /** The stream's version after the append. */
  readonly version: number;
  /** Position of the append's last event. */
  readonly position: Position;
}
export interface Conflict {
  readonly ok: false;
  readonly actual: number;
}

export interface Head {
  readonly epoch: Epoch;
  /** Position of the last event that the house wrote, by the word of the log's leader; START if none. */
  readonly position: Position;
}

export interface EventLog {
  /**
   * Appends all events or none. A resend of the same events (same ids, same expected) answers the
   * original. Throws `InvalidAppend` for what no log may take: no events, too many, too large, an id twice,
   * and an id that is used already, as far as the engine sees it (a log in Postgres anywhere; one in
   * EventStoreDB where these events would stand in the stream): ids are made so that no other event has
   * them. A resend that expects `any` is known for what it is as long as the engine remembers its ids; EventStoreDB
   * does so for the latest. Any other throw means that the outcome is unknown: resend.
   */
  append(stream: StreamId, expected: Expected, events: readonly NewEvent[]): Promise<Appended | Conflict>;
  /** All events of a stream with version > `after` (default 0) and ≤ `through`, in order, from the leader. */
  readStream(stream: StreamId, options?: { after?: number; through?: number }): Promise<readonly Recorded[]>;
  /** At most `limit` events with position > `after`, in order. */
  readAll(after: Position, limit: number): Promise<Slice>;
  /**
   * Slices from `after` on, without end, until the signal aborts; never an error for a lost connection
   * (it resumes by itself). Yields an empty live slice when it has nothing to tell for a second.
   */
  subscribe(after: Position, options: { batchEvents: number; signal: AbortSignal }): AsyncIterable<Slice>;
  head(): Promise<Head>;
  /** Id of the event at exactly this position; null only where the log holds none: a failure is thrown. */
  eventIdAt(position: Position): Promise<EventId | null>;
  close(): Promise<void>;
}

/** The append is wrong in itself: sending it again cannot help. */
export class InvalidAppend extends Error {
  override readonly name = 'InvalidAppend';
  readonly reason: 'empty' | 'too_many' | 'event_too_large' | 'append_too_large' | 'duplicate_id';
  constructor(reason: InvalidAppend['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}
