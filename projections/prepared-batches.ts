/** Reads the log for one projection, and makes each slice ready to be applied. */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import { type Bookmark, type Position, type Recorded, START } from '../schemas/envelope.ts';
import { type Decoder, decodeRun, type Item } from './decoder.ts';
import { eventMismatch, historyMismatch } from './history-check.ts';
import { isRequest } from './parking.ts';
import type { Projection } from './projection.ts';

/** The log's epoch and end are compared at least this often, in milliseconds. */
const HISTORY_CHECK_MS = 1000;

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

export interface PrepareDeps {
  readonly projection: Pick<Projection<never>, 'types'>;
  readonly log: Pick<EventLog, 'subscribe' | 'head' | 'eventIdAt'>;
  readonly decoder: Decoder;
  readonly clock: Clock;
}

/**
 * Batches from `from` on, without end, or to `through` and no further. Every batch is checked against the
 * log *after* its slice was read: a slice of another history can follow a bookmark only if the log no
 * longer has that bookmark's event by then.
 */
export async function* preparedBatches(
  deps: PrepareDeps,
  from: Bookmark,
  options: { batchEvents: number; through?: Position; signal: AbortSignal },
): AsyncGenerator<PreparedBatch> {
  const { projection, log, clock } = deps;
  let before = from;
  let checkedMs = clock.now();
  const unusable = await historyMismatch(log, from);
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
    const used = events.filter((event) => projection.types.has(event.type) || isRequest(event.type));
    const [mismatch, run] = await Promise.all([
      checkHead ? historyMismatch(log, before) : eventMismatch(log, before),
      decodeRun(deps.decoder, used, clock),
    ]);
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
  }
}
