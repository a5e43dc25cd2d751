/** From the log to Kafka: the holder of the lease joins once nothing is left between the two. */
import type { Clock } from '../commands/clock.ts';
import type { EventLog } from '../commands/event-log.ts';
import type { Bookmark, Position } from '../schemas/envelope.ts';
import type { Feed, FeedEnds } from './feed.ts';
import { greatestPosition, type Marks } from './places.ts';
import type { Lease, ProjectionStore } from './store.ts';

/** How often it looks whether the relay has come far enough. */
const LOOK_EVERY_MS = 500;

export interface Joining {
  readonly feed: Feed;
  readonly domains: readonly string[];
  /** Not before this moment: it has just come back. */
  readonly notBeforeMs: number;
}

export interface JoinDeps {
  readonly store: Pick<ProjectionStore<never>, 'join'>;
  readonly log: Pick<EventLog, 'head'>;
  readonly clock: Clock;
}

/** Where the topics ended, and the log's head that was read after that. */
interface Seam {
  readonly ends: FeedEnds;
  readonly through: Position;
}

/**
 * Answers a function to be called behind every committed batch; true: it has joined, and the lease is over.
 *
 * The ends E of the topics are read before the log's head L, so all below E is in the log through L. Once
 * the checkpoint has reached L, the places begin at the checkpoint and at E: records up to the checkpoint
 * are skipped, and the first behind it has its predecessor in what is covered.
 */
export function joinWhenLive(
  { store, log, clock }: JoinDeps,
  { feed, domains, notBeforeMs }: Joining,
  lease: Lease,
  marks: Marks | null,
): (bookmark: Bookmark, live: boolean) => Promise<boolean> {
  /** Where it was when it first had caught up: a relay that gets there is alive. */
  let liveAt: Bookmark | null = null;
  let seam: Seam | null = null;
  let looking = false;
  let nextLookMs = notBeforeMs;

  const look = async (from: Bookmark): Promise<void> => {
    const ends = await feed.ends(domains);
    if (ends === null || ends.relayed.epoch !== from.epoch || ends.relayed.position < from.position) return;
    if (ends.offsets.length !== domains.length * ends.partitions) return;
    const head = await log.head();
    if (head.epoch === from.epoch) seam = { ends, through: head.position };
  };
  /** On its own: a broker that is away must not hold up what the log brings. */
  const lookAside = (from: Bookmark): void => {
    if (looking || clock.now() < nextLookMs) return;
    looking = true;
    nextLookMs = clock.now() + LOOK_EVERY_MS;
    look(from)
      .catch(() => {})
      .finally(() => {
        looking = false;
      });
  };

  return async (bookmark, live) => {
    if (live && liveAt === null) liveAt = bookmark;
    if (liveAt === null || bookmark.position < greatestPosition(bookmark, marks)) return false;
    if (seam === null) {
      lookAside(liveAt);
      return false;
    }
    const { ends, through } = seam;
    if (bookmark.position < through) return false;
    const { generation, partitions } = ends;
    const places = ends.offsets.map((next) => ({ ...next, bookmark }));
    await store.join(lease, bookmark, { generation, partitions, places });
    return true;
  };
}
