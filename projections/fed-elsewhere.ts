/**
 * A revision that Kafka feeds, as a process without Kafka meets it. Settings change process by process, so
 * it is left to those who have Kafka as long as they bring what comes, or the two would take it from each
 * other for ever; and taken back when nobody does, so that the last one without it is no dead end.
 */
import type { Clock } from '../commands/clock.ts';
import type { EventLog, Head } from '../commands/event-log.ts';
import { eventMismatch } from './history-check.ts';
import { distinct, type Place, type Places } from './places.ts';
import type { FedRevision, ProjectionStore } from './store.ts';

/**
 * Places that do not stand at the log's end and do not move for so long, none of them, are moved by nobody:
 * a watermark follows each event within 50 ms.
 */
export const FORSAKEN_MS = 5_000;
export const FED_ELSEWHERE = 'Kafka feeds it, in another process: set KAFKA_BROKERS in all or in none';

export interface FedElsewhereDeps {
  readonly store: Pick<ProjectionStore<never>, 'places'>;
  readonly log: Pick<EventLog, 'head' | 'eventIdAt'>;
  readonly clock: Clock;
}

/** Answers a look, to be repeated: whether nobody feeds the revision any more. */
export function fedElsewhere({
  store,
  log,
  clock,
}: FedElsewhereDeps): (fed: FedRevision) => Promise<boolean> {
  /** All at the head, and at the very event that the log has there: a failover may have put another in its place. */
  const areLevel = async ({ places }: Places, { epoch, position }: Head): Promise<boolean> => {
    const atHead = (one: Place) => one.bookmark.epoch === epoch && one.bookmark.position === position;
    if (!places.every(atHead)) return false;
    const found = await Promise.all(distinct(places).map(({ bookmark }) => eventMismatch(log, bookmark)));
    return found.every((mismatch) => mismatch === null);
  };
  let short: { readonly at: string; readonly sinceMs: number } | null = null;
  return async ({ projection, revision }) => {
    const head = await log.head();
    // Behind the head: what is committed in between is no reason to call it short.
    const stands = await store.places(projection, revision);
    if (stands === null) return false;
    if (await areLevel(stands, head)) {
      short = null;
      return false;
    }
    const at = JSON.stringify([revision, stands]);
    if (short?.at !== at) short = { at, sinceMs: clock.now() };
    return clock.now() - short.sinceMs >= FORSAKEN_MS;
  };
}
