/** Whether a bookmark still lies in the history that the log holds. */
import type { EventLog } from '../commands/event-log.ts';
import { type Bookmark, type Position, START } from '../schemas/envelope.ts';
import { distinct, type Marks } from './places.ts';

/** What the bookmark and the log disagree on, or null. Reads the log's leader. */
export async function historyMismatch(
  log: Pick<EventLog, 'head' | 'eventIdAt'>,
  bookmark: Bookmark,
): Promise<string | null> {
  const head = await log.head();
  if (head.epoch !== bookmark.epoch) return `the log's epoch is ${head.epoch}, ours is ${bookmark.epoch}`;
  if (bookmark.position > head.position) {
    return `the log ends at ${head.position || 'its start'}, before our position ${bookmark.position}`;
  }
  return eventMismatch(log, bookmark);
}

/** The part of it that can change without a word: a failover that lost the tail reuses its positions. */
export async function eventMismatch(
  log: Pick<EventLog, 'eventIdAt'>,
  bookmark: Bookmark,
): Promise<string | null> {
  if (bookmark.position === START) return null;
  const eventId = await log.eventIdAt(bookmark.position);
  if (eventId === bookmark.eventId) return null;
  return `at ${bookmark.position} the log has ${eventId ? `event ${eventId}` : 'nothing'}, we applied event ${bookmark.eventId}`;
}

/**
 * The same for what marks cover beyond a position. The bookmark alone does not tell: a failover may have
 * lost what lies between, and a mark would have its successors skipped.
 */
export async function marksMismatch(
  log: Pick<EventLog, 'eventIdAt'>,
  marks: Marks | null,
  beyond: Position,
): Promise<string | null> {
  const left = distinct(marks?.at ?? []).filter(({ bookmark }) => bookmark.position > beyond);
  const found = await Promise.all(left.map(({ bookmark }) => eventMismatch(log, bookmark)));
  return found.find((mismatch) => mismatch !== null) ?? null;
}

/** What an operator reads where the projection halted. */
export function haltReason(projection: string, mismatch: string): string {
  return (
    `The log under projection ${projection} was replaced: ${mismatch}. If the log was restored or copied, ` +
    `run \`plinth log restored\`, then \`plinth projections rebuild ${projection}\`.`
  );
}
