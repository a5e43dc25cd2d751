/** How far the relay has carried the log: what projections that Kafka feeds wait for, when they wait. */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { Bookmark, Position } from '../schemas/envelope.ts';
import type { Generation } from '../schemas/topics.ts';
import type { Feed } from './feed.ts';
import { singleFlight } from './single-flight.ts';
import type { Revision } from './store.ts';

const LOOK_TIMEOUT_MS = 3_000;
/** An event that has not been carried for so long waits for more than a take-over. */
const LATE_MS = 5_000;
/** By the clock of who wrote it, which may be behind, and a relay may have much to carry: if so it moves. */
const MOVES_WITHIN_MS = 500;

export interface RelayStanding extends Generation {
  readonly relayed: Bookmark;
  /** Time of the first event that it has not carried; null: it has carried all, or the log is another. */
  readonly waitingSinceMs: number | null;
}

/** Null: no relay has ever worked. Rejects where Kafka or the log is away. */
export async function relayStanding(
  feed: Feed,
  log: Pick<EventLog, 'head' | 'readAll'>,
): Promise<RelayStanding | null> {
  const ends = await feed.ends([]);
  if (ends === null) return null;
  const { generation, partitions, relayed } = ends;
  const { epoch, position } = await log.head();
  const behind = epoch === relayed.epoch && relayed.position < position;
  const next = behind ? (await log.readAll(relayed.position, 1)).events[0] : undefined;
  return { generation, partitions, relayed, waitingSinceMs: next?.timeMs ?? null };
}

/** What an operator reads where nothing else is the matter. */
export function relayStands(at: Position): string {
  return `the relay stands at ${at || 'the start of the log'} and the log has gone on: see \`plinth relay status\``;
}

/**
 * Answers a look: what an operator should know of the relay on which all that Kafka feeds depends, or null.
 * Never rejects, and one look serves all who ask.
 *
 * Whoever looks once, as the command line does, remembers nothing: it goes by the time of the first event that
 * waits, and looks again at once. A member of the feed remembers its looks (`feed-watch.ts`), and readiness where
 * its own roles were, whose events it does not see (`standstill.ts` of the platform): each judges by what it has.
 */
export function relayProblem(deps: {
  readonly feed: Feed;
  readonly log: Pick<EventLog, 'head' | 'readAll'>;
  readonly clock: Clock;
}): () => Promise<string | null> {
  const { feed, log, clock } = deps;
  const lateAt = async (): Promise<Position | null> => {
    const standing = await relayStanding(feed, log);
    const sinceMs = standing?.waitingSinceMs ?? null;
    return standing === null || sinceMs === null || clock.now() - sinceMs < LATE_MS
      ? null
      : standing.relayed.position;
  };
  const looking = singleFlight(clock, LOOK_TIMEOUT_MS, async () => {
    const at = await lateAt();
    if (at === null) return null;
    await clock.sleep(MOVES_WITHIN_MS);
    return (await lateAt()) === at ? relayStands(at) : null;
  });
  return () =>
    looking.run().catch(() => 'Kafka or the log does not answer: where the relay stands is not known');
}

/** With what each waits for, as far as is known. `look` is asked only where Kafka feeds one. */
export async function withProblem(
  revisions: readonly Revision[],
  look: () => Promise<string | null>,
): Promise<readonly (Revision & { readonly problem: string | null })[]> {
  const waits = ({ feed, halted }: Revision) => feed !== null && halted === null;
  const problem = revisions.some(waits) ? await look() : null;
  return revisions.map((one) => ({ ...one, problem: waits(one) ? problem : null }));
}
