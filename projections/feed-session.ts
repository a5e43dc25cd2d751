/**
 * One membership of a revision that is fed by Kafka: applies what comes in the partitions that are its own,
 * each batch in one transaction with the partition's place, until something ends it. The log stays the
 * truth: it is asked at least every second whether it still holds what was applied.
 */
import type { Bookmark, StreamId } from '../schemas/envelope.ts';
import { type Partition, partitionOf, type Relayed, topicDomainOf } from '../schemas/topics.ts';
import { decodeRun } from './decoder.ts';
import type { Feed } from './feed.ts';
import { behind, follow } from './feed-records.ts';
import { feedWatch } from './feed-watch.ts';
import { eventMismatch, haltReason } from './history-check.ts';
import { type Applied, applyItems, isUsedBy, NeedsCare } from './parking.ts';
import { nameOf, type Place } from './places.ts';
import { Halted, Paused, type ProjectionDeps } from './session.ts';
import type { Acquired, ParkedStream } from './store.ts';

/** A place that was compared with the log longer ago is compared before anything is applied on it. */
const HISTORY_CHECK_MS = 1000;
/** Of one transaction, at most. */
const BATCH_RECORDS = 1000;

/**
 * `stopped`: the signal aborted. `gap`: records are missing, `generation`: the topics are not those that
 * stand any more: it went back to the log. `over`: somebody else took the revision out of this mode.
 */
export type FeedEnd = 'stopped' | 'gap' | 'generation' | 'over';

export interface FeedProgress {
  /** The least of all places, the other members' too, as last looked. */
  readonly bookmark: Bookmark;
  /** Nothing is known to wait for long. */
  readonly live: boolean;
  /** Since when the oldest event that is known to wait has done so, or null. */
  readonly waitingSinceMs: number | null;
  /** Advanced over by this member in this session, watermarks apart. */
  readonly events: number;
  readonly parkedStreams: number;
  /** Of this member. */
  readonly partitions: number;
}

export interface FeedSessionOptions {
  readonly feed: Feed;
  readonly domains: readonly string[];
  readonly signal: AbortSignal;
  progress?(now: FeedProgress): void;
}

/** A partition of this member. */
export interface Owned {
  place: Place;
  /** Of the partition's streams. */
  parked: ReadonlyMap<StreamId, ParkedStream>;
  checkedMs: number;
  /** Time of the first event that was read and is not committed. */
  pendingMs: number | null;
  /** How many deliveries there were. */
  deliveries: number;
  working: boolean;
}

/** Answers how it ended, or throws: `Halted`, `Paused`, `Fenced`, or what may pass. */
export async function runFeedSession<T>(
  deps: ProjectionDeps<T>,
  fed: Extract<Acquired, { kind: 'fed' }>,
  options: FeedSessionOptions,
): Promise<FeedEnd> {
  const { projection, store, log, clock } = deps;
  const { feed, domains } = options;
  const { generation, partitions } = fed.generation;
  const session = new AbortController();
  const signal = AbortSignal.any([options.signal, session.signal]);
  let owned: ReadonlyMap<string, Owned> = new Map();
  let parkedInAll = 0;
  let events = 0;
  let ended: FeedEnd = 'stopped';
  const end = (how: FeedEnd) => {
    if (ended === 'stopped') ended = how;
    session.abort();
  };
  const goBack = async (why: 'gap' | 'generation') => {
    await store.leave(fed);
    end(why);
  };
  const halt = async (at: Place, mismatch: string): Promise<never> => {
    const reason = haltReason(projection.name, mismatch);
    await store.halt(fed.projection, fed.revision, at.bookmark, reason);
    throw new Halted(reason);
  };

  const assigned = async (ours: readonly Partition[]): Promise<readonly Place[]> => {
    owned = new Map();
    // The places first: see `parkedStreams` of the store.
    const stands = await store.places(fed.projection, fed.revision);
    if (stands?.generation !== generation) {
      end('over');
      return [];
    }
    const parked = await store.parkedStreams(fed.projection, fed.revision);
    const parkedAt = new Map<string, Map<StreamId, ParkedStream>>();
    for (const p of parked) {
      const name = nameOf({
        domain: topicDomainOf(p.stream) ?? '',
        partition: partitionOf(p.stream, partitions),
      });
      parkedAt.set(name, (parkedAt.get(name) ?? new Map()).set(p.stream, p));
    }
    const places = new Map(stands.places.map((place) => [nameOf(place), place]));
    const mine = new Map<string, Owned>();
    for (const partition of ours) {
      const name = nameOf(partition);
      const place = places.get(name);
      if (!place) {
        // Of a domain that the code of those who joined did not use.
        await goBack('generation');
        return [];
      }
      mine.set(name, {
        place,
        parked: parkedAt.get(name) ?? new Map(),
        checkedMs: Number.NEGATIVE_INFINITY,
        pendingMs: null,
        deliveries: 0,
        working: false,
      });
    }
    owned = mine;
    parkedInAll = parked.length;
    return [...mine.values()].map((one) => one.place);
  };

  const records = async (partition: Partition, delivered: readonly Relayed[]): Promise<void> => {
    const one = owned.get(nameOf(partition));
    if (!one || session.signal.aborted) return;
    one.working = true;
    one.deliveries += 1;
    try {
      for (let from = 0; from < delivered.length && !signal.aborted; from += BATCH_RECORDS) {
        await take(one, delivered.slice(from, from + BATCH_RECORDS));
      }
    } finally {
      one.working = false;
    }
  };
  const take = async (one: Owned, delivered: readonly Relayed[]): Promise<void> => {
    const { place } = one;
    const { taken, to, gap, otherEpoch } = follow(place, delivered);
    const used = taken.flatMap(({ event }) => (event && isUsedBy(projection, event) ? [event] : []));
    one.pendingMs = taken.find(({ event }) => event !== null)?.event?.timeMs ?? null;
    watch.tell();
    const checks = clock.now() - one.checkedMs >= HISTORY_CHECK_MS;
    const [mismatch, run] = await Promise.all([
      checks ? eventMismatch(log, place.bookmark) : null,
      decodeRun(deps.decoder, used, clock),
    ]);
    if (mismatch !== null) return halt(place, mismatch);
    if (checks) one.checkedMs = clock.now();
    const newerAt = run.newer === null ? -1 : taken.findIndex(({ event }) => event === run.newer!.event);
    const before = newerAt < 0 ? taken : taken.slice(0, newerAt);
    const last = before.at(-1);
    if (last) {
      const reached = newerAt < 0 ? to : behind(place, last);
      await commit(one, reached, run.items);
      events += before.filter(({ event }) => event !== null).length;
    }
    if (run.newer) throw new Paused(run.newer.error.message, { cause: run.newer.error });
    one.pendingMs = null;
    watch.tell();
    if (otherEpoch !== null) {
      return halt(one.place, `the topics are of epoch ${otherEpoch}, ours is ${place.bookmark.epoch}`);
    }
    if (gap) await goBack('gap');
  };
  const commit = async (one: Owned, to: Place, items: Parameters<typeof applyItems>[3]): Promise<void> => {
    const { place: from, parked } = one;
    if (items.length === 0) {
      await store.advancePlace(fed, from, to, null);
      one.place = to;
      return;
    }
    const elsewhere = Math.max(0, parkedInAll - parked.size);
    const attempt = async (careful: boolean): Promise<Applied> => {
      let applied: Applied | undefined;
      await store.advancePlace(fed, from, to, async (advance) => {
        applied = await applyItems(deps, advance, parked, items, careful, elsewhere);
      });
      return applied!;
    };
    const applied = await attempt(false).catch((error: unknown) => {
      if (!(error instanceof NeedsCare)) throw error;
      return attempt(true);
    });
    parkedInAll += applied.parked.size - parked.size;
    one.place = to;
    one.parked = applied.parked;
  };

  const watch = feedWatch(
    deps,
    { fed, feed, domains },
    {
      owned: () => owned,
      over: () => end('over'),
      goBack,
      halt,
      tell: (bookmark, waitingSinceMs, live) =>
        options.progress?.({
          bookmark,
          live,
          waitingSinceMs,
          events,
          parkedStreams: parkedInAll,
          partitions: owned.size,
        }),
    },
  );
  await watch.look();
  if (signal.aborted) return ended;
  let failure: { readonly error: unknown } | null = null;
  const watching = watch.run(signal).catch((error: unknown) => {
    failure ??= { error };
    session.abort();
  });
  const membership = {
    group: `${fed.projection}.${fed.revision}.${generation}`,
    domains,
    generation: fed.generation,
    signal,
    assigned,
    records,
  };
  try {
    await feed.consume(membership);
  } catch (error) {
    failure ??= { error };
  } finally {
    session.abort();
    await watching;
  }
  // What ended it may have broken the rest: who was fenced by our own way back is no failure.
  if (ended === 'stopped' && failure !== null) throw (failure as { error: unknown }).error;
  return ended;
}
