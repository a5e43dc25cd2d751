/** How long what was asked of log or read model may be relied on, from the start of the asking. */
export const FRESH_MS = 5_000;

/** A clock that was set back makes a sample old, not young. */
export function isFresh(startedMs: number, now: number): boolean {
  const ageMs = now - startedMs;
  return ageMs >= 0 && ageMs <= FRESH_MS;
}
