/** The end of the log: its last record, its last event of ours, and what lies at a position. */
import { type EventId, type Position, type Recorded, START } from '../../../schemas/envelope.ts';
import { EventStoreUnavailable } from './client.ts';
import { allPositionOf, isBehindAll } from './positions.ts';
import { endedEarly, type RawRecord, type Read, type ReadFrom } from './read-call.ts';
import { isOurs, placeOf, recordedOf } from './records.ts';

/** The last event of the house is mostly the last of all. */
const FIRST_PAGE_EVENTS = 1;
const PAGE_GROWTH = 8;
const MAX_PAGE_EVENTS = 500;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_EMPTY_PAGES = 3;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;

export interface LogEnd {
  /** The last record, a system event as well. */
  last(): Promise<RawRecord>;
  /** Position of the last event of ours; START if there is none. */
  position(): Promise<Position>;
  /** The newest of ours, oldest first. */
  newest(count: number): Promise<readonly Recorded[]>;
  eventIdAt(position: Position): Promise<EventId | null>;
}

/** The log holds a record at least: its epoch. */
export function logEnd(read: Read): LogEnd {
  /** From this record down, `position` is that of the last event of ours: holds while the record is there. */
  let known: { readonly record: RawRecord; readonly position: Position } | null = null;

  async function last(): Promise<RawRecord> {
    const { records } = await read({ all: 'end' }, { count: 1, backwards: true });
    if (records.length === 0) throw endedEarly('the end of the log');
    return records[0]!;
  }

  /** Newest first, down to the first of all. */
  async function* backwards(firstPageEvents: number): AsyncGenerator<RawRecord> {
    let from: ReadFrom = { all: 'end' };
    let lowest: Position | null = null;
    let count = firstPageEvents;
    for (let empty = 0; empty < MAX_EMPTY_PAGES; ) {
      const { records } = await read(from, { count, backwards: true, maxBytes: MAX_PAGE_BYTES });
      yield* records;
      const end = records.at(-1);
      if (end) {
        lowest = placeOf(end);
        from = { all: end.position! };
        count = Math.min(count * PAGE_GROWTH, MAX_PAGE_EVENTS);
        empty = 0;
        continue;
      }
      // Nothing lies below the first record; below any other, the read was ended early.
      const [first] = (await read({ all: 'start' }, { count: 1 })).records;
      if (first && lowest !== null && placeOf(first) >= lowest) return;
      empty += 1;
    }
    throw endedEarly('the log, backwards');
  }

  return {
    last,
    async position() {
      const before = known;
      let top: RawRecord | null = null;
      let position = START;
      for await (const record of backwards(FIRST_PAGE_EVENTS)) {
        top ??= record;
        if (isOurs(record)) {
          position = placeOf(record);
          break;
        }
        if (before && record.id === before.record.id && placeOf(record) === placeOf(before.record)) {
          position = before.position;
          break;
        }
      }
      if (top) known = { record: { ...top, body: new Uint8Array(0) }, position };
      return position;
    },
    async newest(count) {
      const found: Recorded[] = [];
      if (count < 1) return found;
      for await (const record of backwards(Math.min(count, MAX_PAGE_EVENTS))) {
        if (isOurs(record)) found.push(recordedOf(record));
        if (found.length === count) break;
      }
      return found.reverse();
    },
    async eventIdAt(position) {
      const at = allPositionOf(position);
      if (at === null || isBehindAll(at)) return null;
      let record: RawRecord | undefined;
      try {
        record = (await read({ all: at }, { count: 1 })).records[0];
      } catch (error) {
        const { code } = error instanceof EventStoreUnavailable ? error : { code: null };
        if (code !== UNKNOWN && code !== INVALID_ARGUMENT) throw error;
        // After a failover a position may lie between two records, or behind the last: the server cannot
        // read there, while it reads well elsewhere.
        await last();
        return null;
      }
      if (record) return isOurs(record) && placeOf(record) === position ? (record.id as EventId) : null;
      if (position > placeOf(await last())) return null;
      throw endedEarly('the log');
    },
  };
}
