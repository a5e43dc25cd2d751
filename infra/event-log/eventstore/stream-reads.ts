/** Reads of one stream. */
import type { Recorded, StreamId } from '../../../schemas/envelope.ts';
import { endedEarly, type Read } from './read-call.ts';
import { recordedOf } from './records.ts';

const PAGE_EVENTS = 500;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/**
 * All events with version > `after` and ≤ `through`, in order.
 *
 * Read from the end backwards: so the first event is the stream's last one, each is followed by the one
 * before it, and the lowest is known. A read that the server ends early is short of that, which a read
 * forwards is not: it looks like one that came to the end of the stream.
 */
export async function readStream(
  read: Read,
  stream: StreamId,
  { after = 0, through = Number.MAX_SAFE_INTEGER }: { after?: number; through?: number } = {},
): Promise<readonly Recorded[]> {
  if (through <= after) return [];
  // A beginning need not be read from the end, as long as it is there in full.
  if (through - after <= PAGE_EVENTS) {
    const from = { stream, from: BigInt(after) };
    const { records } = await read(from, { count: through - after, maxBytes: MAX_PAGE_BYTES });
    if (records.length === through - after) return records.map(recordedOf);
  }
  const lowest = BigInt(after);
  const newestFirst: Recorded[] = [];
  let from: bigint | 'end' = 'end';
  for (;;) {
    const { records, missing } = await read(
      { stream, from },
      {
        count: PAGE_EVENTS,
        backwards: true,
        maxBytes: MAX_PAGE_BYTES,
        ...(after > 0 && { last: ({ revision }) => revision <= lowest }),
      },
    );
    if (missing && from === 'end') return [];
    const [first] = records;
    if (first === undefined || (from !== 'end' && first.revision !== from)) throw endedEarly(stream);
    for (const record of records) {
      if (record.revision >= lowest && record.revision < BigInt(through)) {
        newestFirst.push(recordedOf(record));
      }
    }
    const { revision } = records.at(-1)!;
    if (revision <= lowest) return newestFirst.reverse();
    from = revision - 1n;
  }
}
