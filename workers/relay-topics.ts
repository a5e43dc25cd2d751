/**
 * The port through which the relay writes to Kafka. Its contract is `test/contracts/relay-topics.ts`, its
 * adapter `infra/kafka/`.
 */
import type { Bookmark, Position, Recorded } from '../schemas/envelope.ts';
import type { Generation, Partition } from '../schemas/topics.ts';

/** One record of a partition to be; a watermark has no event. */
export interface Outgoing extends Partition {
  readonly bookmark: Bookmark;
  readonly predecessor: Position;
  readonly event: Recorded | null;
}

/** How far the relay is: the one record of the compacted position topic that counts. */
export interface RelayRecord extends Generation {
  /** Of the last event relayed; at START nothing has been. */
  readonly bookmark: Bookmark;
  /** Position of the last record or watermark of each partition, by domain; index = partition. */
  readonly last: Readonly<Record<string, readonly Position[]>>;
}

/** Where a relay that has just taken over stands. */
export interface Footing {
  /** Null: no relay has ever committed here, or its record is gone. */
  readonly record: RelayRecord | null;
  /** Where there is no record: whether any topic of ours, of whatever generation, holds one of any kind. */
  readonly topicsHoldRecords: boolean;
  /** The highest generation of which a topic exists; 0: none does. */
  readonly lastGeneration: number;
}

export interface RelayTopics {
  /**
   * Fences every predecessor, whose open transaction is thereby aborted, commits a marker of its own, and
   * reads the position topic, committed transactions alone, until the marker comes back. Whatever a
   * predecessor committed is therefore in the answer, and it commits nothing any more.
   */
  takeOver(): Promise<Footing>;
  /**
   * One transaction: all records in their order, and the relay's record. Makes the topics of the record's
   * generation before the first of it. Throws `RelayFenced` when a successor has taken over. Any other
   * throw leaves the outcome unknown: take over again, and read where the relay stands.
   */
  commit(records: readonly Outgoing[], record: RelayRecord): Promise<void>;
  close(): Promise<void>;
}

/** Another relay has taken over. */
export class RelayFenced extends Error {
  override readonly name = 'RelayFenced';
}
