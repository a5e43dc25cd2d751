/** Going on with a read model after `plinth log restored`, when the restore lost nothing that it holds. */
import type { EventLog } from '../commands/event-log.ts';
import { eventMismatch, haltReason, marksMismatch } from './history-check.ts';
import type { ProjectionStore } from './store.ts';

export type Adopted =
  | { readonly ok: true; readonly revision: number }
  /** The log does not hold what the projection has applied: only a rebuild helps. */
  | { readonly ok: false; readonly reason: string };

/**
 * Gives the projection's checkpoint the log's new epoch, if the event at its position is the one that it
 * applied. Only ever asked for by an operator: a position alone proves nothing.
 */
export async function adoptEpoch(
  store: Pick<ProjectionStore<never>, 'revisions' | 'leave' | 'adopt'>,
  log: Pick<EventLog, 'head' | 'eventIdAt'>,
  projection: string,
): Promise<Adopted> {
  const look = async () => (await store.revisions(projection)).find((r) => r.state === 'current');
  let current = await look();
  if (current?.feed) {
    // In the log mode nothing moves but the bookmark, and marks only with it: what is looked at is adopted.
    await store.leave({ projection, revision: current.revision, generation: current.feed });
    current = await look();
  }
  if (!current) return { ok: false, reason: `${projection} has no current revision` };
  const { epoch } = await log.head();
  const { bookmark, marks } = current;
  const mismatch =
    (await eventMismatch(log, bookmark)) ?? (await marksMismatch(log, marks, bookmark.position));
  if (mismatch !== null) return { ok: false, reason: haltReason(projection, mismatch) };
  const adopted = await store.adopt(projection, current.revision, bookmark, epoch);
  return adopted
    ? { ok: true, revision: current.revision }
    : { ok: false, reason: `${projection} moved while it was looked at; try again` };
}
