/** A subscription to the Postgres log: reads when something wakes it, and at least once a second. */
import type { Clock } from '../../commands/clock.ts';
import type { Position, Slice } from '../../schemas/envelope.ts';
import { isTransient } from '../postgres/errors.ts';

const POLL_EVERY_MS = 1_000;
const BACKOFF_FROM_MS = 50;
const BACKOFF_TO_MS = 1_000;

export interface Subscription {
  readonly clock: Clock;
  readonly after: Position;
  readonly batchEvents: number;
  readonly signal: AbortSignal;
  readAll(after: Position, limit: number): Promise<Slice>;
  /** Calls `wake` when there may be something new, until the signal aborts. */
  onWake(wake: () => void, signal: AbortSignal): void;
}

export async function* subscription(options: Subscription): AsyncGenerator<Slice> {
  const { clock, signal } = options;
  let position = options.after;
  let backoffMs = BACKOFF_FROM_MS;
  let woken = false;
  let pause: AbortController | null = null;
  const finished = new AbortController();
  options.onWake(
    () => {
      woken = true;
      pause?.abort();
    },
    AbortSignal.any([signal, finished.signal]),
  );
  try {
    while (!signal.aborted) {
      woken = false;
      let slice: Slice;
      try {
        slice = await options.readAll(position, options.batchEvents);
      } catch (error) {
        if (signal.aborted) return;
        if (!isTransient(error)) throw error;
        await clock.sleep(backoffMs, signal);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_TO_MS);
        continue;
      }
      backoffMs = BACKOFF_FROM_MS;
      if (signal.aborted) return;
      if (slice.events.length > 0) {
        position = slice.through;
        yield slice;
        continue;
      }
      if (!woken) {
        pause = new AbortController();
        await clock.sleep(POLL_EVERY_MS, AbortSignal.any([signal, pause.signal]));
        pause = null;
      }
      if (!woken && !signal.aborted) yield slice;
    }
  } finally {
    finished.abort();
  }
}
