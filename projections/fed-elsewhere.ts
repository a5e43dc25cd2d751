/**
 * A revision that Kafka feeds, as a process without Kafka meets it. Settings change process by process, so
 * it is left to those who have Kafka as long as they bring what comes, or the two would take it from each
 * other for ever; and taken back when nobody does, so that the last one without it is no dead end.
 */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import { leastPlace } from './places.ts';
import type { FedRevision, ProjectionStore } from './store.ts';

/**
 * Places that stand short of the log's end for so long, all of them, are moved by nobody: a watermark
 * follows each event within 50 ms.
 */
export const FORSAKEN_MS = 5_000;
export const FED_ELSEWHERE = 'Kafka feeds it, in another process: set KAFKA_BROKERS in all or in none';

export interface FedElsewhereDeps {
  readonly store: Pick<ProjectionStore<never>, 'places'>;
  readonly log: Pick<EventLog, 'head'>;
  readonly clock: Clock;
}

/** Answers a look, to be repeated: whether nobody feeds the revision any more. */
export function fedElsewhere({
  store,
  log,
  clock,
}: FedElsewhereDeps): (fed: FedRevision) => Promise<boolean> {
  let short: { readonly at: string; readonly sinceMs: number } | null = null;
  return async ({ projection, revision }) => {
    const head = await log.head();
    // Behind the head: what is committed in between is no reason to call it short.
    const stands = await store.places(projection, revision);
    if (stands === null) return false;
    const { epoch, position } = leastPlace(stands.places).bookmark;
    if (epoch === head.epoch && position === head.position) {
      short = null;
      return false;
    }
    const at = JSON.stringify([revision, stands]);
    if (short?.at !== at) short = { at, sinceMs: clock.now() };
    return clock.now() - short.sinceMs >= FORSAKEN_MS;
  };
}
