/**
 * What a member of the feed looks at beside its records: whether the revision is still fed, whether the log
 * still holds what was applied, whether the topics are those that stand, and how far all of it is behind.
 */
import type { Bookmark, Position } from '../schemas/envelope.ts';
import type { Feed, FeedEnds } from './feed.ts';
import type { Owned } from './feed-session.ts';
import { eventMismatch } from './history-check.ts';
import { distinct, leastPlace, type Place, samePlace } from './places.ts';
import type { ProjectionDeps } from './session.ts';
import { withDeadline } from './single-flight.ts';
import type { FedRevision } from './store.ts';

const LOOK_EVERY_MS = 1000;
/** So many looks at the log to one at the topics. */
const TOPICS_EVERY_LOOKS = 2;
/** Topics that take longer to answer are judged at a later look: what was applied meanwhile is told. */
const TOPICS_WAIT_MS = 500;
/** A watermark follows within 50 ms: a place that the relay is past for this long has lost it. */
const STALLED_MS = 3000;
/** Behind the head for longer than this is not live. */
const LIVE_MS = 2000;
/** A relay that stands for so long while the log has gone on is away: another takes over within 2 s. */
const RELAY_STANDS_MS = 5000;

/** What there is to tell of a revision that is fed. */
export interface Watched {
  /** The least of all places, the other members' too, as last looked. */
  readonly bookmark: Bookmark;
  /** Nothing is known to wait for long. */
  readonly live: boolean;
  /** Since when the oldest event that is known to wait has done so, or null. */
  readonly waitingSinceMs: number | null;
  /** Where the relay stands although the log has gone on; null: it moves, or nobody can tell. */
  readonly relayStandsAt: Position | null;
}

export interface FeedWatch {
  /** Throws when log or store are away, or with `Halted`. */
  look(): Promise<void>;
  /** Looks until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Something was read or committed. */
  tell(): void;
}

export function feedWatch<T>(
  { store, log, clock }: ProjectionDeps<T>,
  of: { readonly fed: FedRevision; readonly feed: Feed },
  session: {
    owned(): ReadonlyMap<string, Owned>;
    over(): void;
    goBack(why: 'gap' | 'generation'): Promise<void>;
    halt(at: Place, mismatch: string): Promise<never>;
    tell(now: Watched): void;
  },
): FeedWatch {
  const { fed, feed } = of;
  let looks = 0;
  let least: Bookmark | null = null;
  /** The log's head as it was at some look, which the least place had not reached by then. */
  let waiting: { readonly position: Position; readonly sinceMs: number } | null = null;
  /** The look at the topics that is under way, and when it began. */
  let asked: { readonly atMs: number; readonly ends: Promise<FeedEnds | null | 'away'> } | null = null;
  /** Where the relay was, from the end of the first look that found it there to the beginning of the last. */
  let relay: { readonly at: Position; readonly fromMs: number; readonly toMs: number } | null = null;
  /** Places that the relay was past at the last look at the topics. */
  let lagging = new Map<
    Owned,
    { readonly place: Place; readonly deliveries: number; readonly sinceMs: number }
  >();

  const tell = () => {
    if (least === null) return;
    const since = [...session.owned().values()].map((one) => one.pendingMs);
    const known = [...since, waiting?.sinceMs ?? null].filter((ms) => ms !== null);
    const waitingSinceMs = known.length === 0 ? null : Math.min(...known);
    const live = waiting === null || clock.now() - waiting.sinceMs < LIVE_MS;
    session.tell({ bookmark: least, live, waitingSinceMs, relayStandsAt: relayStandsAt() });
  };
  const relayStandsAt = (): Position | null => {
    if (relay === null || waiting === null || relay.at >= waiting.position) return null;
    return relay.toMs - Math.max(relay.fromMs, waiting.sinceMs) >= RELAY_STANDS_MS ? relay.at : null;
  };

  const lookAtLog = async (): Promise<boolean> => {
    const head = await log.head();
    // Behind the head: what is committed in between is no reason to call it behind.
    const stands = await store.places(fed.projection, fed.revision);
    if (stands?.generation !== fed.generation.generation) {
      session.over();
      return false;
    }
    const lowest = leastPlace(stands.places);
    least = lowest.bookmark;
    if (waiting && least.position >= waiting.position) waiting = null;
    if (!waiting && least.position < head.position) {
      waiting = { position: head.position, sinceMs: clock.now() };
    }
    // All of them, the other members' too: they may be gone.
    for (const place of distinct(stands.places)) {
      const { epoch } = place.bookmark;
      if (head.epoch !== epoch) {
        return session.halt(place, `the log's epoch is ${head.epoch}, ours is ${epoch}`);
      }
      const mismatch = await eventMismatch(log, place.bookmark);
      if (mismatch !== null) return session.halt(place, mismatch);
    }
    return true;
  };

  /**
   * A topic that was trimmed or made anew shows a gap with its next record; where nothing new happens there
   * is none. So a place that stays below what the relay had written long ago, with nothing delivered, counts.
   */
  const lookAtTopics = async (): Promise<void> => {
    // A broker that is away says nothing; the membership finds out for itself. Of no domain: a topic that was
    // deleted would look like that, and the relay makes it anew with the next event only.
    asked ??= { atMs: clock.now(), ends: feed.ends([]).catch(() => 'away' as const) };
    const { atMs: toMs } = asked;
    const ends = await withDeadline(clock, TOPICS_WAIT_MS, asked.ends).catch(() => 'late' as const);
    if (ends === 'late') return;
    asked = null;
    if (ends === 'away') {
      relay = null;
      return;
    }
    const { generation, partitions } = fed.generation;
    if (ends?.generation !== generation || ends.partitions !== partitions) {
      return session.goBack('generation');
    }
    const { position: at } = ends.relayed;
    relay = { at, fromMs: relay?.at === at ? relay.fromMs : clock.now(), toMs };
    const before = lagging;
    lagging = new Map();
    for (const one of session.owned().values()) {
      if (one.working || one.place.bookmark.position >= at) continue;
      const { place, deliveries } = one;
      const was = before.get(one);
      const same = was && samePlace(was.place, place) && was.deliveries === deliveries ? was : null;
      if (same && clock.now() - same.sinceMs >= STALLED_MS) return session.goBack('gap');
      lagging.set(one, same ?? { place, deliveries, sinceMs: clock.now() });
    }
  };

  const look = async () => {
    const goesOn = await lookAtLog();
    if (goesOn && looks % TOPICS_EVERY_LOOKS === 0) await lookAtTopics();
    looks += 1;
    tell();
  };

  return {
    look,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(LOOK_EVERY_MS, signal);
        if (!signal.aborted) await look();
      }
    },
    tell,
  };
}
