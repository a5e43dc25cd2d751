/** The end of the log: its last record, its last event of ours, and what lies at a position. */
import { type EventId, type Position, type Recorded, START } from '../../../schemas/envelope.ts';
import { EventStoreUnavailable } from './client.ts';
import { type AllPosition, allPositionOf, isBehindAll, positionOf } from './positions.ts';
import { endedEarly, type RawRecord, type Read, type ReadFrom } from './read-call.ts';
import { isOurs, placeOf, recordedOf } from './records.ts';

/** The last event of the house is mostly the last of all. */
const FIRST_PAGE_EVENTS = 1;
const PAGE_GROWTH = 8;
const MAX_PAGE_EVENTS = 500;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_EMPTY_PAGES = 3;
/** That one call looks through for a place that the server would not read at; the next goes on below. */
const MAX_LOOKED_THROUGH_EVENTS = 10_000;
const MAX_LOOK_UPS = 64;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;

export interface LogEnd {
  /** The last record, a system event as well. */
  last(): Promise<RawRecord>;
  /** Position of the last event of ours; START if there is none. */
  position(): Promise<Position>;
  /** The newest of ours, oldest first. */
  newest(count: number): Promise<readonly Recorded[]>;
  /** Null where the log was seen to hold no event of ours there; whatever leaves that open is thrown. */
  eventIdAt(position: Position): Promise<EventId | null>;
}

/** The log holds a record at least: its epoch. */
export function logEnd(read: Read): LogEnd {
  /** From this record down, `position` is that of the last event of ours: holds while the record is there. */
  let known: { readonly record: RawRecord; readonly position: Position } | null = null;
  /** How far down calls for a place have looked that the server would not read at. */
  const lookedDownTo = new Map<Position, AllPosition>();

  async function last(): Promise<RawRecord> {
    const { records } = await read({ all: 'end' }, { count: 1, backwards: true });
    if (records.length === 0) throw endedEarly('the end of the log');
    return records[0]!;
  }

  /** Newest first, from the end or from below a record on, down to the first of all. */
  async function* backwards(
    firstPageEvents: number,
    below: AllPosition | 'end' = 'end',
  ): AsyncGenerator<RawRecord> {
    let from: ReadFrom = { all: below };
    let lowest = below === 'end' ? null : positionOf(below.commit, below.prepare);
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
    throw endedEarly('the log from its end');
  }

  /**
   * The same, for a place at which the server would not read. It refuses where no record begins, as after a
   * failover, in the words that it has for whatever else goes wrong there. So only the records around the
   * place tell: the first at it or below, read down from those above without a gap.
   */
  async function lookUp(position: Position, refusal: EventStoreUnavailable): Promise<EventId | null> {
    const from = lookedDownTo.get(position) ?? 'end';
    let reached: AllPosition | null = null;
    let looked = 0;
    try {
      for await (const record of backwards(from === 'end' ? FIRST_PAGE_EVENTS : MAX_PAGE_EVENTS, from)) {
        const place = placeOf(record);
        if (place === position) return isOurs(record) ? (record.id as EventId) : null;
        if (place < position) return null;
        looked += 1;
        if (looked < MAX_LOOKED_THROUGH_EVENTS) continue;
        reached = record.position!;
        throw new EventStoreUnavailable(`looking for ${position}, down to ${place} yet: ${refusal.message}`);
      }
      return null;
    } finally {
      // Not before: others who look for it meanwhile would begin at the end again, and bring it back there.
      lookedDownTo.delete(position);
      if (reached !== null) goOnBelow(position, reached);
    }
  }

  function goOnBelow(position: Position, reached: AllPosition): void {
    const [oldest] = lookedDownTo.keys();
    if (lookedDownTo.size >= MAX_LOOK_UPS) lookedDownTo.delete(oldest!);
    lookedDownTo.set(position, reached);
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
        if (!(error instanceof EventStoreUnavailable)) throw error;
        if (error.code !== UNKNOWN && error.code !== INVALID_ARGUMENT) throw error;
        return lookUp(position, error);
      }
      if (record) return isOurs(record) && placeOf(record) === position ? (record.id as EventId) : null;
      if (position > placeOf(await last())) return null;
      throw endedEarly('the log');
    },
  };
}
