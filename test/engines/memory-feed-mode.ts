/** Feed mode in the projection store in memory: a place for each partition, each moved on its own. */
import { type Move, nameOf, sameBookmark, samePlace } from '../../projections/places.ts';
import { Fenced, type ProjectionStore } from '../../projections/store.ts';
import type { MemoryConnection } from './memory-connection.ts';
import { idOf, isHeld, leaveFeed, type MemoryRevisions, placesOf } from './memory-revisions.ts';
import { Draft, type MemoryTx } from './memory-transaction.ts';

type FeedMode = Pick<
  ProjectionStore<MemoryTx>,
  'join' | 'leave' | 'places' | 'parkedStreams' | 'advancePlaces'
>;

export function memoryFeedMode(revisions: MemoryRevisions, on: MemoryConnection): FeedMode {
  return {
    async join(lease, from, { generation, partitions, places }) {
      const { projection, revision } = lease;
      await on.overAll('join', projection, revision, (r) => {
        const may = isHeld(r, lease) && r.state === 'current' && r.feed === null && r.marks === null;
        if (!may || !sameBookmark(r.bookmark, from)) throw new Fenced(lease);
        r.feed = { generation, partitions, places: new Map(places.map((place) => [nameOf(place), place])) };
        r.holder = null;
      });
    },

    async leave({ projection, revision, generation }) {
      await on.overAll('leave', projection, revision, (r) => {
        if (r?.feed?.generation === generation.generation) leaveFeed(r);
      });
    },

    async places(projection, revision) {
      return on.statement('places', [], () => {
        const feed = revisions.get(projection, revision)?.feed;
        return feed ? placesOf(feed) : null;
      });
    },

    async parkedStreams(projection, revision) {
      return on.statement('parkedStreams', [], () => [
        ...(revisions.get(projection, revision)?.data.parked.values() ?? []),
      ]);
    },

    async advancePlaces(fed, moves, work) {
      await on.turn('store.advancePlaces');
      const id = idOf(fed.projection, fed.revision);
      const release = await revisions.locks.take(moves.map(({ from }) => `${id}/${nameOf(from)}`));
      await on
        .droppable(async (dropped) => {
          const r = revisions.get(fed.projection, fed.revision);
          // Whoever takes the revision out of feed mode locks these places first.
          const places = r?.feed?.generation === fed.generation.generation ? r.feed.places : null;
          const stands = ({ from }: Move) => {
            const place = places?.get(nameOf(from));
            return place !== undefined && samePlace(place, from);
          };
          if (!r || !moves.every(stands)) throw new Fenced(fed);
          const draft = new Draft(() => r.data);
          const none = () => Promise.reject(new Error('a projection that is fed tells no changes'));
          const advance = { ...on.inTransaction(draft), changed: none, prunedHere: none };
          if (work) await Promise.race([work(advance), dropped]);
          await Promise.race([on.turn('store.commit'), dropped]);
          r.data = draft.data;
          for (const { to } of moves) r.feed!.places.set(nameOf(to), to);
        })
        .finally(release);
      revisions.committed();
      await on.turn('store.advancePlaces.answer');
    },
  };
}
