/**
 * Drops the tables that nothing advances any more: what was current before a swap, and what a rebuild or a
 * comparison that was ended left behind. They hold personal fields in the clear, which no erasure reaches.
 */
import type { Clock } from '../commands/clock.ts';
import type { ProjectionStore, Revision } from './store.ts';

/** Far longer than a query that began before a swap may last. */
export const DROP_AFTER_MS = 60_000;
/** A comparison reads its tables to the end without holding their lease. */
export const SHADOW_LOOKS = 60;

export interface DropAbandonedDeps {
  readonly store: Pick<ProjectionStore<never>, 'revisions' | 'drop'>;
  readonly clock: Clock;
}

/** Looks every `DROP_AFTER_MS`, and drops what stood abandoned at the look before, too. Ends with the signal; never rejects. */
export async function dropAbandonedRevisions(
  { store, clock }: DropAbandonedDeps,
  options: { readonly signal: AbortSignal; readonly failed?: (error: unknown) => void },
): Promise<void> {
  const { signal, failed } = options;
  let looks: ReadonlyMap<string, number> = new Map();
  while (!signal.aborted) {
    try {
      const seen = new Map<string, number>();
      for (const { projection, revision, state } of abandoned(await store.revisions())) {
        const id = `${projection} ${revision}`;
        const before = looks.get(id) ?? 0;
        seen.set(id, before + 1);
        if (before >= (state === 'shadow' ? SHADOW_LOOKS : 1)) await store.drop(projection, revision);
      }
      looks = seen;
    } catch (error) {
      if (!signal.aborted) failed?.(error);
    }
    await clock.sleep(DROP_AFTER_MS, signal);
  }
}

/** What newer code builds is taken up again by its runner; what the same code builds is a rebuild's alone. */
function abandoned(revisions: readonly Revision[]): readonly Revision[] {
  return revisions.filter(({ projection, state, holder, codeRevision }) => {
    if (state === 'current' || holder !== null) return false;
    const current = revisions.find((other) => other.projection === projection && other.state === 'current');
    return state !== 'building' || (current !== undefined && codeRevision <= current.codeRevision);
  });
}
