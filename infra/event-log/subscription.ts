/** A subscription to the log: reads when something wakes it, and at least once a second. */
import type { Clock } from '../../commands/clock.ts';
import type { Position, Slice } from '../../schemas/envelope.ts';

const POLL_EVERY_MS = 1_000;
const BACKOFF_FROM_MS = 50;
const BACKOFF_TO_MS = 1_000;

export type Wake = (through: Position | null) => void;

export interface Subscription {
  readonly clock: Clock;
  readonly after: Position;
  readonly batchEvents: number;
  readonly signal: AbortSignal;
  readAll(after: Position, limit: number): Promise<Slice>;
  /** Whether a read that failed may succeed later. */
  isTransient(error: unknown): boolean;
  /**
   * Calls `wake` when there may be something new, until the signal aborts: with the position of what is
   * new, or with null when that is not known.
   */
  onWake(wake: Wake, signal: AbortSignal): void;
}

export async function* subscription(options: Subscription): AsyncGenerator<Slice> {
  const { clock, signal } = options;
  let position = options.after;
  let backoffMs = BACKOFF_FROM_MS;
  /** What was said since the last read began: how far there is something to read, if that was said. */
  let unread: Position | 'somewhere' | null = null;
  /** Nothing was said for a whole pause. */
  let quiet = false;
  let pause: AbortController | null = null;
  const finished = new AbortController();
  options.onWake(
    (through) => {
      // The process that appended wakes its readers before the notification comes: they have it by then.
      if (through !== null && through <= position) return;
      unread = through === null || unread === 'somewhere' ? 'somewhere' : later(unread, through);
      pause?.abort();
    },
    AbortSignal.any([signal, finished.signal]),
  );
  const isWoken = () => unread !== null && (unread === 'somewhere' || unread > position);
  try {
    while (!signal.aborted) {
      unread = null;
      let slice: Slice;
      try {
        slice = await options.readAll(position, options.batchEvents);
      } catch (error) {
        if (signal.aborted) return;
        if (!options.isTransient(error)) throw error;
        await clock.sleep(backoffMs, signal);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_TO_MS);
        continue;
      }
      backoffMs = BACKOFF_FROM_MS;
      if (signal.aborted) return;
      if (slice.events.length > 0) {
        position = slice.through;
        quiet = false;
        yield slice;
        // One that reached the head leaves nothing to read, unless something was said since.
        if (!slice.live) continue;
      } else if (quiet) {
        quiet = false;
        yield slice;
      }
      if (isWoken() || signal.aborted) continue;
      pause = new AbortController();
      await clock.sleep(POLL_EVERY_MS, AbortSignal.any([signal, pause.signal]));
      pause = null;
      quiet = !isWoken();
    }
  } finally {
    finished.abort();
  }
}

function later(a: Position | null, b: Position): Position {
  return a === null || b > a ? b : a;
}
