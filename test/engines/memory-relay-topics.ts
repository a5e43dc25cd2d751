/** The relay's port over the broker in memory, from the steps that a real client has. */
import type { Clock } from '../../commands/clock.ts';
import type { Outgoing, RelayRecord, RelayTopics } from '../../workers/relay-topics.ts';
import type { Fetched } from './memory-partition.ts';

/** How long a reader waits for a control record that is on its way. */
const POLL_MS = 10;
/** A marker that has not come by then never will: a later one took its place, or the topic was deleted. */
const MARKER_WAIT_MS = 5_000;

/** What stands in the position topic: the relay's record and its marker have a key each. */
export type PositionRecord =
  | { readonly key: 'record'; readonly record: RelayRecord }
  | { readonly key: 'marker'; readonly marker: number };

/** What a client of the broker can do for the relay, effect by effect; each can be its last. */
export interface MemoryProducer {
  /** InitProducerId: fences every earlier producer and waits until its open transaction has ended. */
  init(): Promise<void>;
  /** Into the transaction that is open, or a new one. */
  writePosition(record: PositionRecord): Promise<void>;
  write(generation: number, records: readonly Outgoing[]): Promise<void>;
  commit(): Promise<void>;
  makeTopics(generation: number, partitions: number): Promise<void>;
  readPosition(from: number): Promise<Fetched<PositionRecord>>;
  /** Behind the last record of the position topic, control records included. */
  positionEnd(): Promise<number>;
  holdsRecords(): Promise<boolean>;
  lastGeneration(): Promise<number>;
  /** A number that no other marker has. */
  newMarker(): number;
}

export function memoryRelayTopics(producer: MemoryProducer, clock: Clock): RelayTopics {
  let working = false;
  let made = 0;
  return {
    async takeOver() {
      working = false;
      made = 0;
      await producer.init();
      const marker = await commitMarker(producer);
      const record = await lastRecordBefore(producer, clock, (seen) => seen === marker);
      const topicsHoldRecords = await producer.holdsRecords();
      const lastGeneration = await producer.lastGeneration();
      working = true;
      return { record, topicsHoldRecords, lastGeneration };
    },
    async commit(records, record) {
      if (!working) throw new Error('the outcome of the last transaction is unknown: take over first');
      working = false;
      if (made !== record.generation) await producer.makeTopics(record.generation, record.partitions);
      made = record.generation;
      await commitBatch(producer, records, record);
      working = true;
    },
    async close() {
      working = false;
    },
  };
}

/** In one transaction: the records and the position behind them. */
export async function commitBatch(
  producer: MemoryProducer,
  records: readonly Outgoing[],
  record: RelayRecord,
): Promise<void> {
  if (records.length > 0) await producer.write(record.generation, records);
  await producer.writePosition({ key: 'record', record });
  await producer.commit();
}

/** Answers the marker. */
export async function commitMarker(producer: MemoryProducer): Promise<number> {
  const marker = producer.newMarker();
  await producer.writePosition({ key: 'marker', marker });
  await producer.commit();
  return marker;
}

/** Reads what is committed of the position topic until the marker comes. */
export async function lastRecordBefore(
  producer: MemoryProducer,
  clock: Clock,
  isMine: (marker: number) => boolean,
): Promise<RelayRecord | null> {
  let last: RelayRecord | null = null;
  const deadlineMs = clock.now() + MARKER_WAIT_MS;
  for (let from = 0; clock.now() < deadlineMs; ) {
    const { records, next } = await producer.readPosition(from);
    for (const { value } of records) {
      if (value.key === 'record') last = value.record;
      else if (isMine(value.marker)) return last;
    }
    from = next;
    if (records.length === 0) await clock.sleep(POLL_MS);
  }
  throw new Error(`the marker did not come back within ${MARKER_WAIT_MS} ms`);
}
