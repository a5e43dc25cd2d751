/**
 * Hints that a projection has moved, across processes. They only hurry: what has moved, and how far, is read
 * from the database, and losing every hint costs a fraction of a second and nothing else.
 */
export interface Hints {
  /** Costs nothing to call often. */
  moved(projection: string): void;
  /** Calls `hint` with the name of what may have moved, '' for anything. Resolves when the signal aborts. */
  listen(hint: (projection: string) => void, signal: AbortSignal): Promise<void>;
}
