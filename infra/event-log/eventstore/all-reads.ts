/** Reads of the whole log, on from a position. */
import { type Position, type Recorded, type Slice, START } from '../../../schemas/envelope.ts';
import { allPositionOf, isBehindAll } from './positions.ts';
import { endedEarly, type RawRecord, type Read } from './read-call.ts';
import { isOurs, placeOf, recordedOf } from './records.ts';

const PAGE_EVENTS = 500;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_EMPTY_PAGES = 3;

/** `last` answers the last record of the log, a system event as well. */
export function allReads(
  read: Read,
  last: () => Promise<RawRecord>,
): (after: Position, limit: number) => Promise<Slice> {
  /**
   * From `after` to this record lie system events alone: they are not read again and again. Holds while the
   * record is there: a failover may lose it, and give its place to an event of ours.
   */
  let idle: { readonly after: Position; readonly place: Position; readonly id: string } | null = null;

  return async function readAll(after, limit): Promise<Slice> {
    const at = allPositionOf(after);
    if (at === null && after !== START) {
      throw new RangeError(`${after} is no position of a log in EventStoreDB`);
    }
    if (at !== null && isBehindAll(at)) return { events: [], through: after, live: true };
    const events: Recorded[] = [];
    let bytes = 0;
    let from = idle?.after === after ? idle : null;
    let reached = { place: from?.place ?? after, id: from?.id ?? '' };
    for (let empty = 0; empty < MAX_EMPTY_PAGES; ) {
      // Where the log ends now: a page that a server ends early does not come as far.
      const ending = last();
      ending.catch(() => {});
      // From a position on, itself included: one more.
      const count = Math.min(PAGE_EVENTS, limit - events.length) + 1;
      const start = allPositionOf(reached.place) ?? 'start';
      const page = await read({ all: start }, { count, maxBytes: MAX_PAGE_BYTES }).catch(async (error) => {
        // Some servers refuse to read from behind the end, and from between two records.
        if (from || (events.length === 0 && after > placeOf(await ending))) return null;
        throw error;
      });
      if (from && page?.records[0]?.id !== from.id) {
        idle = null;
        from = null;
        reached = { place: after, id: '' };
        empty += 1;
        continue;
      }
      from = null;
      let progress = false;
      for (const record of page?.records ?? []) {
        const place = placeOf(record);
        if (place <= reached.place) continue;
        progress = true;
        reached = { place, id: record.id };
        if (!isOurs(record)) continue;
        bytes += record.body.length;
        events.push(recordedOf(record));
        if (events.length === limit) break;
      }
      const live = reached.place >= placeOf(await ending);
      if (live || events.length === limit || bytes >= MAX_PAGE_BYTES) {
        if (events.length === 0 && reached.id !== '') idle = { after, ...reached };
        return { events, through: events.at(-1)?.position ?? after, live };
      }
      empty = progress ? 0 : empty + 1;
    }
    throw endedEarly('the log');
  };
}
