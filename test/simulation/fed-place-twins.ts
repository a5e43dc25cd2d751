/** Projectors that keep wrongly how far they are, while Kafka feeds them or on the way back to the log. */
import { greatestPosition, nameOf } from '../../projections/places.ts';
import type { Bookmark, Position } from '../../schemas/envelope.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import type { FedGuards, FedWorld } from './fed-world.ts';
import { NAME } from './projection-world.ts';
import { type Ports, storing } from './replaced-ports.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';

const comparesNoPlace = storing((store) => ({
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

const movesThePlaceFirst = storing((store) => ({
  async advancePlaces(fed, moves, work) {
    await store.advancePlaces(fed, moves, null);
    const there = moves.map(({ to }) => ({ from: to, to }));
    if (work) await store.advancePlaces(fed, there, work);
  },
}));

const movesThePlaceLast = storing((store) => ({
  async advancePlaces(fed, moves, work) {
    const here = moves.map(({ from }) => ({ from, to: from }));
    if (work) await store.advancePlaces(fed, here, work);
    await store.advancePlaces(fed, moves, null);
  },
}));

const forgetsMarks = storing((store) => ({
  async acquire(...args) {
    const acquired = await store.acquire(...args);
    return acquired.kind === 'held' ? { ...acquired, marks: null } : acquired;
  },
}));

/** As if the generation that stands now had as many partitions as the marks are of, and one more. */
const hashesMarksAnew = storing((store) => ({
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

const believesMarks = agreeing(({ database }) => {
  const seen = database.current(NAME);
  return seen?.feed === null ? (seen.marks?.at ?? []).map(({ bookmark }) => bookmark) : [];
});

const asksNoLogWhileFed = agreeing(({ database }) => {
  const seen = database.current(NAME);
  return seen?.feed ? [seen.stamp, ...(seen.marks?.at ?? []).map(({ bookmark }) => bookmark)] : [];
});

/** As if everything were applied that anything is applied of. */
function reportsTheGreatest(database: MemoryProjectionDatabase): MemoryProjectionDatabase {
  return replacing(database, {
    current(projection) {
      const seen = database.current(projection);
      if (seen === null) return null;
      return { ...seen, stamp: { ...seen.stamp, position: greatestPosition(seen.stamp, seen.marks) } };
    },
  });
}

export const placeTwins: readonly Twin<FedGuards>[] = [
  {
    name: 'a place is not compared',
    breaks: 'a member that stood still applies what its successor has',
    guards: { ports: comparesNoPlace },
  },
  {
    name: 'a place moves before the rows',
    breaks: 'a crash between the two loses events',
    guards: { ports: movesThePlaceFirst },
  },
  {
    name: 'a place moves behind the rows',
    breaks: 'a crash between the two applies events twice',
    guards: { ports: movesThePlaceLast },
  },
  {
    name: 'what was applied beyond the least place is forgotten on the way back',
    breaks: 'it is applied again',
    guards: { ports: forgetsMarks },
  },
  {
    name: 'marks do not keep of how many partitions they are',
    breaks: 'with another number they cover other streams',
    guards: { ports: hashesMarksAnew },
  },
  {
    name: 'only the least bookmark is compared with the log on the way back',
    breaks: 'what a failover put where a mark is gets skipped',
    guards: { ports: believesMarks },
  },
  {
    name: 'who is fed asks the log nothing',
    breaks: 'a history that is lost goes on being read',
    guards: { ports: asksNoLogWhileFed },
  },
  {
    name: 'the greatest place is reported',
    breaks: 'a read does not show what it was promised',
    guards: { readable: reportsTheGreatest },
  },
];
