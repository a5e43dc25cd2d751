/**
 * Hints that a projection has moved, across processes. They only hurry: what has moved, and how far, is read
 * from the database, and losing every hint costs a fraction of a second and nothing else.
 */
import type { ChangesSource } from './changes.ts';

export interface Hints {
  /** Costs nothing to call often. */
  moved(projection: string): void;
  /** Calls `hint` with the name of what may have moved. Resolves when the signal aborts. */
  listen(hint: (projection: string) => void, signal: AbortSignal): Promise<void>;
}

/** The same changes, hurried by these hints too. */
export function hurriedBy(hints: Hints, projection: string, changes: ChangesSource): ChangesSource {
  return {
    poll: (after) => changes.poll(after),
    async listen(hint, signal) {
      const hinted = (moved: string) => {
        if (moved === projection) hint();
      };
      await Promise.all([changes.listen(hint, signal), hints.listen(hinted, signal)]);
    },
  };
}
