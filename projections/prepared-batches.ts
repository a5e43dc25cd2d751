/** Reads the log for one projection, and makes each slice ready to be applied. */
import type { EventLog } from '../commands/event-log.ts';
import { type Bookmark, type Position, type Recorded, START } from '../schemas/envelope.ts';
import { type DecodeDeps, decodeRun, type Item } from './decoder.ts';
import { eventMismatch, historyMismatch, marksMismatch } from './history-check.ts';
import { isUsedBy } from './parking.ts';
import { covered, type Marks } from './places.ts';
import type { Order, Projection } from './projection.ts';

/** The log's epoch and end are compared at least this often, in milliseconds. */
const HISTORY_CHECK_MS = 1000;

/**
 * A projection that has used nothing of so many slices in a row, each of them the log's newest, looks less
 * often: moving its checkpoint over every single event of others cost a busy log more than using them.
 */
const UNUSED_SLICES = 3;
const UNUSED_PAUSE_MS = 20;

export interface PreparedBatch {
  /** The bookmark of the slice's last event; the one before when the slice is empty. */
  readonly to: Bookmark;
  readonly items: readonly Item[];
  /** How many events of any type the batch advances over, and the time of the first. */
  readonly events: number;
  readonly firstTimeMs: number | null;
  /** It reached the log's head as it was when the slice was read. */
  readonly live: boolean;
  /** The next event was written by a newer release: pause behind this batch. */
  readonly newer: Error | null;
  /** The batch does not continue the history of the bookmark before it: halt instead of applying. */
  readonly mismatch: string | null;
}

export interface PrepareDeps extends DecodeDeps {
  readonly projection: Order & Pick<Projection<never>, 'types' | 'reads'>;
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt'>;
}

export interface PrepareOptions {
  readonly batchEvents: number;
  /** No further than this position. */
  readonly through?: Position;
  /** Advances over the others, as if they were of types that the projection ignores. */
  readonly only?: (event: Recorded) => boolean;
  /** What they cover is applied already, and advanced over. */
  readonly marks: Marks | null;
  readonly signal: AbortSignal;
}

/**
 * Batches from `from` on, without end, or to `through` and no further. Every batch is checked against the
 * log *after* its slice was read: a slice of another history can follow a bookmark only if the log no
 * longer has that bookmark's event by then.
 */
export async function* preparedBatches(
  deps: PrepareDeps,
  from: Bookmark,
  options: PrepareOptions,
): AsyncGenerator<PreparedBatch> {
  const { projection, log, clock } = deps;
  let before = from;
  let checkedMs = clock.now();
  let unused = 0;
  const { marks, only = () => true, signal } = options;
  const isCovered = covered(marks);
  const isUsed = (event: Recorded): boolean =>
    isUsedBy(projection, event) && !isCovered(event) && only(event);
  const unusable = (await historyMismatch(log, from)) ?? (await marksMismatch(log, marks, from.position));
  if (unusable !== null) {
    yield {
      to: from,
      items: [],
      events: 0,
      firstTimeMs: null,
      live: false,
      newer: null,
      mismatch: unusable,
    };
    return;
  }
  for await (const slice of log.subscribe(from.position, options)) {
    const { through } = options;
    let events: readonly Recorded[] = slice.events;
    if (through !== undefined) events = events.filter((event) => event.position <= through);
    const checkHead = clock.now() - checkedMs >= HISTORY_CHECK_MS;
    if (checkHead) checkedMs = clock.now();
    const used = events.filter(isUsed);
    const [ofBookmark, ofMarks, run] = await Promise.all([
      checkHead ? historyMismatch(log, before) : eventMismatch(log, before),
      marksMismatch(log, marks, before.position),
      decodeRun(deps, used),
    ]);
    const mismatch = ofBookmark ?? ofMarks;
    if (run.newer) events = events.slice(0, events.indexOf(run.newer.event));
    const last = events.at(-1);
    const to = last ? { epoch: from.epoch, position: last.position, eventId: last.id } : before;
    yield {
      to,
      items: run.items,
      events: events.length,
      firstTimeMs: events[0]?.timeMs ?? run.newer?.event.timeMs ?? null,
      live: slice.live && !run.newer,
      newer: run.newer?.error ?? null,
      mismatch,
    };
    if (run.newer || mismatch) return;
    before = to;
    if (through !== undefined && (to.position >= through || through === START)) return;
    unused = slice.live && events.length > 0 && used.length === 0 ? unused + 1 : 0;
    if (unused >= UNUSED_SLICES) await clock.sleep(UNUSED_PAUSE_MS, signal);
  }
}
