/** Projectors with one safeguard taken out, through the ports that they have. */
import type { Feed, Membership } from '../../projections/feed.ts';
import { greatestPosition, nameOf } from '../../projections/places.ts';
import { type Bookmark, type Position, START } from '../../schemas/envelope.ts';
import type { Relayed } from '../../schemas/topics.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { DOMAINS } from './fed-truth.ts';
import type { FedWorld } from './fed-world.ts';
import type { Store } from './outages.ts';
import { NAME, type RunnerPorts } from './projection-world.ts';
import { replacing } from './replacing.ts';

type Ports = (ports: RunnerPorts, world: FedWorld) => RunnerPorts;

/** Changes what the members are delivered. */
function consuming(feed: Feed, change: (membership: Membership) => Membership): Feed {
  return replacing(feed, { consume: (membership) => feed.consume(change(membership)) });
}

function delivering(change: (record: Relayed) => Relayed): Ports {
  return (ports) => ({
    ...ports,
    feed:
      ports.feed &&
      consuming(ports.feed, (membership) => ({
        ...membership,
        records: (partition, records, live) => membership.records(partition, records.map(change), live),
      })),
  });
}

export const asksForNoPredecessor = delivering((record) => ({ ...record, predecessor: START }));

export const believesWatermarks = delivering((record) =>
  record.event === null ? { ...record, predecessor: START } : record,
);

/** When it joins, behind all that it took from the log. */
export const readsEndsLast: Ports = (ports) => {
  const { store, feed } = ports;
  const join: Store['join'] = async (lease, from, places) => {
    const ends = await feed!.ends(DOMAINS);
    const offsets = new Map(ends?.offsets.map((next) => [nameOf(next), next.offset]));
    const moved = places.places.map((place) => ({ ...place, offset: offsets.get(nameOf(place))! }));
    await store.join(lease, from, { ...places, places: moved });
  };
  return { ...ports, store: replacing(store, { join }) };
};

/** Offsets are committed to the group as they are delivered, and a member goes on from there. */
export const goesOnFromTheGroup: Ports = (ports, world) => {
  const groups = offsetsOf(world);
  return {
    ...ports,
    feed:
      ports.feed &&
      consuming(ports.feed, (membership) => {
        const offsets = groups.get(membership.group) ?? new Map<string, string>();
        groups.set(membership.group, offsets);
        return {
          ...membership,
          async assigned(partitions) {
            const starts = await membership.assigned(partitions);
            return starts.map((start) => ({ ...start, offset: offsets.get(nameOf(start)) ?? start.offset }));
          },
          records(partition, records, live) {
            offsets.set(nameOf(partition), String(Number(records.at(-1)!.offset) + 1));
            return membership.records(partition, records, live);
          },
        };
      }),
  };
};

const committed = new WeakMap<FedWorld, Map<string, Map<string, string>>>();

function offsetsOf(world: FedWorld): Map<string, Map<string, string>> {
  const known = committed.get(world) ?? new Map();
  committed.set(world, known);
  return known;
}

function storing(change: (store: Store, world: FedWorld) => Partial<Store>): Ports {
  return (ports, world) => ({ ...ports, store: replacing(ports.store, change(ports.store, world)) });
}

export const comparesNoPlace = storing((store) => ({
  async advancePlaces(fed, moves, work) {
    const stands = await store.places(fed.projection, fed.revision);
    const now = new Map(stands?.places.map((place) => [nameOf(place), place]));
    return store.advancePlaces(
      fed,
      moves.map(({ from, to }) => ({ from: now.get(nameOf(from)) ?? from, to })),
      work,
    );
  },
}));

export const movesThePlaceFirst = storing((store) => ({
  async advancePlaces(fed, moves, work) {
    await store.advancePlaces(fed, moves, null);
    const there = moves.map(({ to }) => ({ from: to, to }));
    if (work) await store.advancePlaces(fed, there, work);
  },
}));

export const movesThePlaceLast = storing((store) => ({
  async advancePlaces(fed, moves, work) {
    const here = moves.map(({ from }) => ({ from, to: from }));
    if (work) await store.advancePlaces(fed, here, work);
    await store.advancePlaces(fed, moves, null);
  },
}));

export const forgetsMarks = storing((store) => ({
  async acquire(...args) {
    const acquired = await store.acquire(...args);
    return acquired.kind === 'held' ? { ...acquired, marks: null } : acquired;
  },
}));

/** As if the generation that stands now had as many partitions as the marks are of, and one more. */
export const hashesMarksAnew = storing((store) => ({
  async acquire(...args) {
    const acquired = await store.acquire(...args);
    if (acquired.kind !== 'held' || acquired.marks === null) return acquired;
    return { ...acquired, marks: { ...acquired.marks, partitions: acquired.marks.partitions + 1 } };
  },
}));

/** What the log says it holds where one of the bookmarks is: just that. */
function agreeing(bookmarks: (world: FedWorld) => readonly Bookmark[]): Ports {
  return (ports, world) => ({
    ...ports,
    log: replacing(ports.log, {
      async eventIdAt(position: Position) {
        const one = bookmarks(world).find((bookmark) => bookmark.position === position);
        return one ? one.eventId : ports.log.eventIdAt(position);
      },
    }),
  });
}

export const believesMarks = agreeing(({ database }) => {
  const seen = database.current(NAME);
  return seen?.feed === null ? (seen.marks?.at ?? []).map(({ bookmark }) => bookmark) : [];
});

export const asksNoLogWhileFed = agreeing(({ database }) => {
  const seen = database.current(NAME);
  return seen?.feed ? [seen.stamp, ...(seen.marks?.at ?? []).map(({ bookmark }) => bookmark)] : [];
});

function whileFed(
  change: (ends: NonNullable<Awaited<ReturnType<Feed['ends']>>>, world: FedWorld) => typeof ends,
): Ports {
  return (ports, world) => {
    const { feed } = ports;
    return {
      ...ports,
      feed:
        feed &&
        replacing(feed, {
          async ends(domains) {
            const ends = await feed.ends(domains);
            return ends && world.database.current(NAME)?.feed ? change(ends, world) : ends;
          },
        }),
    };
  };
}

export const waitsForTheNextRecord = whileFed((ends) => ({
  ...ends,
  relayed: { ...ends.relayed, position: START },
}));

export const keepsItsGeneration = whileFed((ends, { database }) => ({
  ...ends,
  ...database.current(NAME)!.feed!,
}));

/** As if everything were applied that anything is applied of. */
export function reportsTheGreatest(database: MemoryProjectionDatabase): MemoryProjectionDatabase {
  return replacing(database, {
    current(projection) {
      const seen = database.current(projection);
      if (seen === null) return null;
      return { ...seen, stamp: { ...seen.stamp, position: greatestPosition(seen.stamp, seen.marks) } };
    },
  });
}
