/** Wakes who reads the log: one subscription for all of them, made anew whenever it drops. */
import type { Clock } from '../../../commands/clock.ts';
import type { Wake } from '../subscription.ts';
import type { EventStoreConnection } from './client.ts';
import { positionOf } from './positions.ts';
import { followCall } from './read-call.ts';

const BACKOFF_FROM_MS = 50;
const BACKOFF_TO_MS = 2_000;

export interface Wakes {
  on(wake: Wake, signal: AbortSignal): void;
  close(): Promise<void>;
}

/**
 * A subscription only says that there is something: what is read is read page by page from where the
 * reader stands. So one that drops, overflows or skips costs time and no event.
 */
export function wakes(
  connection: EventStoreConnection,
  clock: Clock,
  dropped: (error: Error) => void,
): Wakes {
  const waking = new Set<Wake>();
  const closing = new AbortController();
  let following: Promise<void> | null = null;
  const wakeAll: Wake = (through) => {
    for (const wake of waking) wake(through);
  };
  const follow = async () => {
    for (let backoffMs = BACKOFF_FROM_MS; !closing.signal.aborted; ) {
      try {
        await followCall(
          connection,
          (record) => {
            // Something may have been written before it stood.
            if (record === 'confirmed') backoffMs = BACKOFF_FROM_MS;
            const position = record === 'confirmed' ? null : record.position;
            wakeAll(position && positionOf(position.commit, position.prepare));
          },
          closing.signal,
        );
      } catch (error) {
        if (!closing.signal.aborted) dropped(error as Error);
      }
      // An end without an error is a drop as well.
      await clock.sleep(backoffMs, closing.signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_TO_MS);
    }
  };
  return {
    on(wake, signal) {
      waking.add(wake);
      signal.addEventListener('abort', () => waking.delete(wake), { once: true });
      following ??= follow();
    },
    async close() {
      closing.abort();
      await following;
    },
  };
}
