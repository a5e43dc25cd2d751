/** Whether what follows the log comes further as long as something lies before it, judged at every look. */
import type { Clock } from '../../commands/clock.ts';
import type { Position } from '../../schemas/envelope.ts';

/** What Kafka brings may wait so long while the members of a group share out their partitions anew. */
export const STANDS_STILL_MS = 4_000;

/**
 * Answers whether `name` has been at this position for so long although the log went on. A position of null
 * is nobody's, a head of null is not known.
 */
export function standstill(
  clock: Clock,
): (name: string, position: Position | null, head: Position | null) => boolean {
  const seen = new Map<
    string,
    { readonly position: Position; readonly head: Position; readonly sinceMs: number }
  >();
  return (name, position, head) => {
    const last = seen.get(name);
    // A log that came back shorter: where it ended before, nothing lies.
    const before = last && head !== null && head < last.head ? undefined : last;
    const sinceMs = clock.now();
    if (position === null) seen.delete(name);
    else if (before && position < before.head) {
      if (position === before.position) return sinceMs - before.sinceMs >= STANDS_STILL_MS;
      seen.set(name, { position, head: before.head, sinceMs });
    } else if (head !== null) seen.set(name, { position, head, sinceMs });
    return false;
  };
}
