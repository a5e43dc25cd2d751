/** Which errors are an engine's that is away, or has too much to do: what needs it may succeed later. */
import { Overfull } from './event-log/coalesce.ts';
import { EventStoreUnavailable } from './event-log/eventstore/client.ts';
import { isTransient } from './postgres/errors.ts';
import { RedisFailure } from './redis/redis-failure.ts';
import { NoAnswer } from './within.ts';

/** An error may stand around the engine's own, and around another. */
const MAX_CAUSES = 5;

/** The code of the answer that says so; null: it is none of these. */
export function outageOf(error: unknown): 'unavailable' | 'overloaded' | null {
  for (let [at, depth] = [error, 0]; at instanceof Error && depth < MAX_CAUSES; depth++) {
    if (at instanceof Overfull) return 'overloaded';
    if (at instanceof EventStoreUnavailable || at instanceof NoAnswer || at instanceof RedisFailure) {
      return 'unavailable';
    }
    if (at.name === 'DeadlineExceeded' || isTransient(at)) return 'unavailable';
    at = at.cause;
  }
  return null;
}
