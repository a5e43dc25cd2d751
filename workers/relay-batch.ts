/** One transaction of the relay: which records it writes where, and where the relay then stands. Pure. */
import type { Bookmark, Position, Recorded } from '../schemas/envelope.ts';
import { type Partition, partitionOf, topicDomainOf, topicDomains } from '../schemas/topics.ts';
import type { Outgoing, RelayRecord } from './relay-topics.ts';

/** Events of one transaction, at most, and bytes of their data and metadata. */
export const BATCH_EVENTS = 500;
const BATCH_BYTES = 4 * 1024 * 1024;

export interface RelayBatch {
  readonly records: readonly Outgoing[];
  readonly record: RelayRecord;
  /** Whether any partition has neither a record nor a watermark at the record's position. */
  readonly lagging: boolean;
}

/** The record of a relay that begins a generation where the log is at `bookmark`. */
export function firstRecord(generation: number, partitions: number, bookmark: Bookmark): RelayRecord {
  const last = Object.fromEntries(
    Object.keys(topicDomains).map((domain) => [
      domain,
      Array.from({ length: partitions }, () => bookmark.position),
    ]),
  );
  return { generation, partitions, bookmark, last };
}

/** Events of the log behind `from`'s position, in order, each of a stream that has a domain. */
export function relayBatch(from: RelayRecord, events: readonly Recorded[], watermarks: boolean): RelayBatch {
  const { epoch } = from.bookmark;
  const last = new Map(Object.entries(from.last).map(([domain, positions]) => [domain, [...positions]]));
  // A domain that a newer release brought begins where this relay stands.
  for (const domain of Object.keys(topicDomains)) {
    if (last.has(domain)) continue;
    last.set(
      domain,
      Array.from({ length: from.partitions }, () => from.bookmark.position),
    );
  }
  const records: Outgoing[] = [];
  const write = (to: Partition, bookmark: Bookmark, event: Recorded | null) => {
    const positions = last.get(to.domain)!;
    records.push({ ...to, bookmark, predecessor: positions[to.partition]!, event });
    positions[to.partition] = bookmark.position;
  };
  let { bookmark } = from;
  for (const event of events) {
    bookmark = { epoch, position: event.position, eventId: event.id };
    const domain = topicDomainOf(event.stream)!;
    write({ domain, partition: partitionOf(event.stream, from.partitions) }, bookmark, event);
  }
  let lagging = false;
  for (const [domain, positions] of last) {
    for (const [partition, position] of positions.entries()) {
      if (position === bookmark.position) continue;
      if (watermarks) write({ domain, partition }, bookmark, null);
      else lagging = true;
    }
  }
  const record = { ...from, bookmark, last: Object.fromEntries(last) as Record<string, Position[]> };
  return { records, record, lagging };
}

/** Within the bounds of a transaction. */
export function* runsOf(events: readonly Recorded[]): Generator<readonly Recorded[]> {
  let [from, bytes] = [0, 0];
  for (const [index, event] of events.entries()) {
    const size = sizeOf(event);
    if (index > from && (bytes + size > BATCH_BYTES || index - from >= BATCH_EVENTS)) {
      yield events.slice(from, index);
      [from, bytes] = [index, 0];
    }
    bytes += size;
  }
  if (from < events.length) yield events.slice(from);
}

function sizeOf({ data, metadata }: Recorded): number {
  return data.length + metadata.length;
}

/** May grow by another slice. */
export function isSmall(held: readonly Recorded[]): boolean {
  return held.length < BATCH_EVENTS && held.reduce((bytes, event) => bytes + sizeOf(event), 0) < BATCH_BYTES;
}
