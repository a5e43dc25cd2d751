/** The compacted topic that holds where the relay stands: one record that counts, and markers. */
import type { Kafka, Message } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import type { Bookmark, Position } from '../../schemas/envelope.ts';
import { positionTopicName } from '../../schemas/topics.ts';
import type { RelayRecord } from '../../workers/relay-topics.ts';
import { type PartitionReader, partitionReader } from './partition-reader.ts';

export const RECORD_KEY = 'record';
export const MARKER_KEY = 'marker';
/** How far from its end the topic is read first: a record is rarely behind more markers than that. */
const TAIL_OFFSETS = 64n;
const FETCH_WAIT_MS = 100;
const IDLE_WAIT_MS = 1;

/** `last` names only what is not at the bookmark's position: most partitions are. */
interface Stored {
  readonly generation: number;
  readonly partitions: number;
  readonly bookmark: Bookmark;
  readonly last: Readonly<Record<string, readonly (Position | 0)[]>>;
}

export function recordMessage({ last, ...rest }: RelayRecord): Message {
  const short = Object.fromEntries(
    Object.entries(last).map(([domain, positions]) => [
      domain,
      positions.map((position) => (position === rest.bookmark.position ? 0 : position)),
    ]),
  );
  const stored: Stored = { ...rest, last: short };
  return { key: RECORD_KEY, value: JSON.stringify(stored), partition: 0 };
}

export function markerMessage(marker: string): Message {
  return { key: MARKER_KEY, value: marker, partition: 0 };
}

export function recordOf(value: Uint8Array): RelayRecord {
  const { last, ...rest } = JSON.parse(Buffer.from(value).toString()) as Stored;
  const whole = Object.fromEntries(
    Object.entries(last).map(([domain, positions]) => [
      domain,
      positions.map((position) => (position === 0 ? rest.bookmark.position : position)),
    ]),
  );
  return { ...rest, last: whole };
}

export interface PositionTopic {
  /** Reads until the marker comes back: the last record before it, or null. Throws when it does not come. */
  recordBefore(marker: string, timeoutMs: number): Promise<RelayRecord | null>;
  /** The last record that is committed, or null. */
  lastRecord(): Promise<RelayRecord | null>;
  close(): Promise<void>;
}

export function positionTopic(kafka: Kafka, prefix: string, clock: Clock): PositionTopic {
  const reader: PartitionReader = partitionReader(kafka, positionTopicName(prefix));
  /** Where the next look goes on, and what was the last record by then. */
  let at: bigint | null = null;
  let known: RelayRecord | null = null;

  /** Goes on from `at`; answers true when the marker was met. Without one: to the end as it is now. */
  const readOn = async (marker: string | null, deadlineMs: number): Promise<boolean> => {
    const { begin, end } = await reader.bounds();
    // Made anew, and shorter.
    if (at !== null && at > end) [at, known] = [null, null];
    at ??= await tailBegin(begin, end);
    while (marker !== null || at < end) {
      const { records, next }: Awaited<ReturnType<PartitionReader['read']>> = await reader.read(
        at,
        marker === null ? IDLE_WAIT_MS : FETCH_WAIT_MS,
      );
      for (const { key, value } of records) {
        if (value === null) continue;
        if (String(key) === RECORD_KEY) known = recordOf(value);
        else if (marker !== null && String(value) === marker) {
          at = next;
          return true;
        }
      }
      if (next === at && marker === null) break;
      at = next;
      if (clock.now() > deadlineMs) throw new Error('the position topic could not be read in time');
    }
    return false;
  };
  /** As near to the end as there is a record behind it. */
  const tailBegin = async (begin: bigint, end: bigint): Promise<bigint> => {
    for (let back = TAIL_OFFSETS; end - back > begin; back *= 8n) {
      const from = end - back;
      for (let offset = from; offset < end; ) {
        const { records, next } = await reader.read(offset, IDLE_WAIT_MS);
        if (records.some(({ key, value }) => value !== null && String(key) === RECORD_KEY)) return from;
        if (next === offset) break;
        offset = next;
      }
    }
    return begin;
  };

  return {
    async recordBefore(marker, timeoutMs) {
      await readOn(marker, clock.now() + timeoutMs);
      return known;
    },
    async lastRecord() {
      await readOn(null, clock.now() + 5_000);
      return known;
    },
    close: () => reader.close(),
  };
}
