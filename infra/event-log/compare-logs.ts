/** Compares two logs event by event: everything but positions, which are each log's own. */
import type { EventLog } from '../../commands/event-log.ts';
import { type Position, type Recorded, START } from '../../schemas/envelope.ts';

const PAGE_EVENTS = 500;

export type ReadableLog = Pick<EventLog, 'readAll'>;

/** What differs first. `fields`: of the two events; empty where one log has ended. */
export interface LogDifference {
  /** How many events before it are the same. */
  readonly index: number;
  readonly fields: readonly string[];
  /** Null: the log ends here. */
  readonly left: Recorded | null;
  readonly right: Recorded | null;
}

export interface LogComparison {
  /** Events that are the same, from the start. */
  readonly events: number;
  /** Positions of the last of them. */
  readonly left: Position;
  readonly right: Position;
  /** Null: both end here. */
  readonly difference: LogDifference | null;
}

export interface CompareOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (events: number) => void;
}

/** Reads both from the start to the first difference. Throws when the signal aborts. */
export async function compareLogs(
  left: ReadableLog,
  right: ReadableLog,
  { signal, onProgress }: CompareOptions = {},
): Promise<LogComparison> {
  const [a, b] = [eventsOf(left), eventsOf(right)];
  let events = 0;
  let [leftAt, rightAt] = [START, START];
  try {
    for (;;) {
      signal?.throwIfAborted();
      const [x, y] = await Promise.all([a.next(), b.next()]);
      if (x.done && y.done) return { events, left: leftAt, right: rightAt, difference: null };
      const fields = x.done || y.done ? [] : differingFields(x.value, y.value);
      if (x.done || y.done || fields.length > 0) {
        const difference = { index: events, fields, left: x.value ?? null, right: y.value ?? null };
        return { events, left: leftAt, right: rightAt, difference };
      }
      events += 1;
      leftAt = x.value.position;
      rightAt = y.value.position;
      if (events % PAGE_EVENTS === 0) onProgress?.(events);
    }
  } finally {
    await Promise.all([a.return(undefined), b.return(undefined)]);
  }
}

/** The names of what is not the same, in the order of the envelope. */
export function differingFields(a: Recorded, b: Recorded): readonly string[] {
  const plain = ['id', 'type', 'schemaVersion', 'stream', 'version', 'timeMs'] as const;
  const bytes = ['nonce', 'data', 'metadata'] as const;
  return [
    ...plain.filter((field) => a[field] !== b[field]),
    ...bytes.filter((field) => Buffer.compare(a[field], b[field]) !== 0),
  ];
}

/** To the end as it was when it was reached; the next page is read while this one is looked at. */
async function* eventsOf(log: ReadableLog): AsyncGenerator<Recorded, undefined> {
  let page = log.readAll(START, PAGE_EVENTS);
  for (;;) {
    const slice = await page;
    if (slice.events.length === 0) return undefined;
    page = log.readAll(slice.through, PAGE_EVENTS);
    // Who leaves early does not wait for it.
    page.catch(() => {});
    yield* slice.events;
  }
}
