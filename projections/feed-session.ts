/**
 * One membership of a revision that is fed by Kafka: applies what comes in the partitions that are its own,
 * in one transaction with the partitions' places, until something ends it. The log stays the truth: it is asked at least every second whether it still holds what was applied.
 */
import type { StreamId } from '../schemas/envelope.ts';
import type { Partition, Relayed } from '../schemas/topics.ts';
import { decodeRun, type Item } from './decoder.ts';
import { type Feed, feedGroup } from './feed.ts';
import { behind, follow } from './feed-records.ts';
import { feedWatch, type Watched } from './feed-watch.ts';
import { groupCommit } from './group-commit.ts';
import { eventMismatch, haltReason } from './history-check.ts';
import { type Applied, applyItems, isUsedBy, NeedsCare } from './parking.ts';
import { distinct, type Move, nameOf, type Place } from './places.ts';
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

export interface FeedProgress extends Watched {
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
  checkedMs: number;
  /** Time of the first event that was read and is not committed. */
  pendingMs: number | null;
  /** How many deliveries there were. */
  deliveries: number;
  working: boolean;
}

/** Records of one partition, no more than a transaction takes. */
interface Delivery {
  readonly one: Owned;
  readonly records: readonly Relayed[];
}

/** Answers how it ended, or throws: `Halted`, `Paused`, `Fenced`, or what may pass. */
export async function runFeedSession<T>(
  deps: ProjectionDeps<T>,
  fed: Extract<Acquired, { kind: 'fed' }>,
  options: FeedSessionOptions,
): Promise<FeedEnd> {
  const { projection, store, log, clock } = deps;
  const { feed, domains } = options;
  const { generation } = fed.generation;
  const session = new AbortController();
  const signal = AbortSignal.any([options.signal, session.signal]);
  let owned: ReadonlyMap<string, Owned> = new Map();
  /** Of all partitions: what is told of others' may be older. */
  let parked: ReadonlyMap<StreamId, ParkedStream> = new Map();
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
    const waiting = await store.parkedStreams(fed.projection, fed.revision);
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
        checkedMs: Number.NEGATIVE_INFINITY,
        pendingMs: null,
        deliveries: 0,
        working: false,
      });
    }
    owned = mine;
    parked = new Map(waiting.map((stream) => [stream.stream, stream]));
    return [...mine.values()].map((one) => one.place);
  };

  const records = async (partition: Partition, delivered: readonly Relayed[]): Promise<void> => {
    const one = owned.get(nameOf(partition));
    if (!one || session.signal.aborted) return;
    one.working = true;
    one.deliveries += 1;
    try {
      for (let from = 0; from < delivered.length && !signal.aborted; from += BATCH_RECORDS) {
        await takeTogether({ one, records: delivered.slice(from, from + BATCH_RECORDS) });
      }
    } finally {
      one.working = false;
    }
  };
  const takeTogether = groupCommit<Delivery>({
    clock,
    maxSize: BATCH_RECORDS,
    sizeOf: ({ records: delivered }) => delivered.length,
    commit: (group) => take(group),
  });
  const take = async (group: readonly Delivery[]): Promise<void> => {
    // What came before the partitions were shared out anew is somebody else's.
    const ours = group.filter(({ one }) => owned.get(nameOf(one.place)) === one);
    const followed = ours.map(({ one, records: delivered }) => ({ one, ...follow(one.place, delivered) }));
    for (const { one, taken } of followed) {
      one.pendingMs = taken.find(({ event }) => event !== null)?.event?.timeMs ?? null;
    }
    watch.tell();
    const [runs] = await Promise.all([
      Promise.all(
        followed.map(({ taken }) => {
          const used = taken.flatMap(({ event }) => (event && isUsedBy(projection, event) ? [event] : []));
          return decodeRun(deps, used);
        }),
      ),
      check(followed.map(({ one }) => one)),
    ]);
    const moves = followed.map(({ one, taken, to }, i) => {
      const { newer } = runs[i]!;
      const end = newer ? taken.findIndex(({ event }) => event === newer.event) : taken.length;
      const before = taken.slice(0, end);
      const last = before.at(-1);
      const reached = newer === null ? to : last ? behind(one.place, last) : one.place;
      return {
        one,
        from: one.place,
        to: reached,
        events: before.filter(({ event }) => event !== null).length,
      };
    });
    await commit(
      moves.filter(({ from, to }) => from !== to),
      runs.flatMap(({ items }) => items),
    );
    for (const move of moves) {
      move.one.place = move.to;
      events += move.events;
    }
    const newer = runs.find((run) => run.newer !== null)?.newer;
    if (newer) throw new Paused(newer.error.message, { cause: newer.error });
    for (const { one } of followed) one.pendingMs = null;
    watch.tell();
    const other = followed.find(({ otherEpoch }) => otherEpoch !== null);
    if (other) {
      const { place } = other.one;
      return halt(place, `the topics are of epoch ${other.otherEpoch}, ours is ${place.bookmark.epoch}`);
    }
    if (followed.some(({ gap }) => gap)) await goBack('gap');
  };
  /** Of those whose last comparison with the log is too long ago: whether it still holds what was applied. */
  const check = async (some: readonly Owned[]): Promise<void> => {
    const nowMs = clock.now();
    const due = some.filter(({ checkedMs }) => nowMs - checkedMs >= HISTORY_CHECK_MS);
    const places = distinct(due.map(({ place }) => place));
    const found = await Promise.all(places.map(({ bookmark }) => eventMismatch(log, bookmark)));
    const at = found.findIndex((mismatch) => mismatch !== null);
    if (at >= 0) return halt(places[at]!, found[at]!);
    for (const one of due) one.checkedMs = nowMs;
  };
  const commit = async (moves: readonly Move[], items: readonly Item[]): Promise<void> => {
    if (items.length === 0) {
      if (moves.length > 0) await store.advancePlaces(fed, moves, null);
      return;
    }
    const [mine, before] = [owned, parked];
    const attempt = async (careful: boolean): Promise<Applied> => {
      let applied: Applied | undefined;
      await store.advancePlaces(fed, moves, async (advance) => {
        applied = await applyItems(deps, advance, before, items, careful);
      });
      return applied!;
    };
    const applied = await attempt(false).catch((error: unknown) => {
      if (!(error instanceof NeedsCare)) throw error;
      return attempt(true);
    });
    // Else they have been read anew.
    if (mine === owned) parked = applied.parked;
  };

  const watch = feedWatch(
    deps,
    { fed, feed },
    {
      owned: () => owned,
      over: () => end('over'),
      goBack,
      halt,
      tell: (now) =>
        options.progress?.({ ...now, events, parkedStreams: parked.size, partitions: owned.size }),
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
    group: feedGroup(fed),
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
