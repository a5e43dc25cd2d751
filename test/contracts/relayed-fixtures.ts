/** Records as the contracts of the relay's topics and of the feed write them: event n of stream n, at position n. */
import type { Bookmark, Epoch, EventId, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import { START, streamId } from '../../schemas/envelope.ts';
import { type Partition, partitionOf, type Relayed, topicDomains } from '../../schemas/topics.ts';
import type { Outgoing, RelayRecord } from '../../workers/relay-topics.ts';
import { asAppended, newEvent } from './event-log-fixtures.ts';

export const PARTITIONS = 2;
const EPOCH = '00000000-0000-4000-8000-000000000001' as Epoch;

/** A stream of the domain `keys`; of the first two partitions, one that belongs there. */
function keyIn(partition: number): StreamId {
  const streams = Array.from({ length: 20 }, (_, n) => streamId('key', `key_${n}`));
  return streams.find((stream) => partitionOf(stream, PARTITIONS) === partition) ?? streams[0]!;
}

export function positionOf(n: number): Position {
  return n === 0 ? START : (String(n).padStart(20, '0') as Position);
}

export function bookmarkOf(n: number): Bookmark {
  const eventId = n === 0 ? null : (`00000000-0000-4000-9000-${String(n).padStart(12, '0')}` as EventId);
  return { epoch: EPOCH, position: positionOf(n), eventId };
}

/** The event at position n, behind the record at `after` in its partition. */
export function outgoing(n: number, after: number, over: Partial<Recorded> = {}, at = home): Outgoing {
  const { position, eventId } = bookmarkOf(n);
  const event = { ...newEvent(), id: eventId!, stream: keyIn(at.partition), version: n, position, ...over };
  return { ...at, bookmark: bookmarkOf(n), predecessor: positionOf(after), event };
}

export function watermark(n: number, after: number, at: Partition = home): Outgoing {
  return { ...at, bookmark: bookmarkOf(n), predecessor: positionOf(after), event: null };
}

/** Where most of them go. */
export const home: Partition = { domain: 'keys', partition: 1 };

export function recordAt(n: number, over: Partial<RelayRecord> = {}): RelayRecord {
  const { partitions = PARTITIONS } = over;
  const positions = Array.from({ length: partitions }, () => positionOf(n));
  const last = Object.fromEntries(Object.keys(topicDomains).map((domain) => [domain, positions]));
  return { generation: 1, partitions, bookmark: bookmarkOf(n), last, ...over };
}

/** What must come back as it was written, in a form whose differences can be read. */
export function asWritten({ bookmark, predecessor, event }: Relayed | Outgoing) {
  const { stream, version, position } = event ?? {};
  return {
    bookmark,
    predecessor,
    event: event && { ...asAppended(event), stream, version, position },
  };
}

/** Where a record lies, for short. */
export function placeOf({ bookmark, event }: Relayed): string {
  return `${Number(bookmark.position)}${event === null ? 'w' : ''}`;
}
