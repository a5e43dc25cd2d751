/** Which errors are an engine's that is away, or has too much to do: what needs it may succeed later. */
import { causesOf } from './engine-of.ts';
import { Overfull } from './event-log/coalesce.ts';
import { EventStoreUnavailable } from './event-log/eventstore/client.ts';
import { isTransient } from './postgres/errors.ts';
import { RedisFailure } from './redis/redis-failure.ts';
import { NoAnswer } from './within.ts';

/** The code of the answer that says so; null: it is none of these. */
export function outageOf(error: unknown): 'unavailable' | 'overloaded' | null {
  for (const at of causesOf(error)) {
    if (at instanceof Overfull) return 'overloaded';
    if (at instanceof EventStoreUnavailable || at instanceof NoAnswer || at instanceof RedisFailure) {
      return 'unavailable';
    }
    if (at.name === 'DeadlineExceeded' || isTransient(at)) return 'unavailable';
  }
  return null;
}
