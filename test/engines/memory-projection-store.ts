/**
 * The projection store in memory: obeys the port with snapshots and row locks as a database does, on the
 * clock it is given, and can fail where a real one can. For tests and the simulation.
 *
 * One database; every process of a test connects on its own, so that one can crash without the others.
 */
import type { Clock } from '../../commands/clock.ts';
import {
  greatestPosition,
  leastPlace,
  type Marks,
  type Move,
  marksOf,
  nameOf,
  type Place,
  type Places,
  sameBookmark,
  samePlace,
} from '../../projections/places.ts';
import type { Projection, Stamp, Tables } from '../../projections/projection.ts';
import {
  type Advance,
  Fenced,
  KEPT_CHANGES_ROWS,
  type Lease,
  type ProjectionStore,
  RebuildRunning,
  type Revision,
  type RevisionState,
  Superseded,
} from '../../projections/store.ts';
import { type Bookmark, type Epoch, type Position, START } from '../../schemas/envelope.ts';
import type { Generation } from '../../schemas/topics.ts';
import { type Data, Draft, type MemoryTx, memoryTx, NO_DATA, sortedRows } from './memory-transaction.ts';
import { RowLocks } from './row-locks.ts';

interface StoredRevision {
  readonly projection: string;
  readonly revision: number;
  readonly codeRevision: number;
  state: RevisionState;
  bookmark: Bookmark;
  /** By domain and partition; null: log mode. */
  feed: (Generation & { readonly places: Map<string, Place> }) | null;
  marks: Marks | null;
  holder: string | null;
  leaseUntilMs: number;
  halted: string | null;
  data: Data;
}

export interface Seen {
  readonly stamp: Stamp;
  readonly feed: Generation | null;
  /** What is applied beyond the stamp: the places in feed mode, or the marks that they left. */
  readonly marks: Marks | null;
  readonly halted: string | null;
  readonly data: Data;
}

export interface MemoryProjectionDatabase {
  connect(turn?: (label: string) => Promise<void>): MemoryProjectionConnection;
  /** The current revision as it is committed now, without a turn. */
  current(projection: string): Seen | null;
  /** Calls back after every commit. */
  onCommit(hint: () => void): () => void;
}

export interface MemoryProjectionConnection extends ProjectionStore<MemoryTx> {
  /** Rolls back what is open and frees its locks; every later call fails. */
  crash(): void;
}

const tables: Tables = (name) => name;
/** Only a projection's key columns tell a table's keys here: the key is the row's key in `put`. */
export function memoryProjectionDatabase(options: {
  readonly clock: Clock;
  readonly turn?: (label: string) => Promise<void>;
  readonly keptChangesRows?: number;
}): MemoryProjectionDatabase {
  const { clock, keptChangesRows = KEPT_CHANGES_ROWS } = options;
  const stored = new Map<string, StoredRevision>();
  const lastRevision = new Map<string, number>();
  const locks = new RowLocks();
  const hints = new Set<() => void>();

  const idOf = (projection: string, revision: number) => `${projection}/${revision}`;
  const of = (projection: string) => [...stored.values()].filter((r) => r.projection === projection);
  const currentOf = (projection: string) => of(projection).find((r) => r.state === 'current');
  const leased = (r: StoredRevision) => r.holder !== null && r.leaseUntilMs > clock.now();
  const committed = () => {
    for (const hint of hints) hint();
  };

  const connect = (turnGiven = options.turn ?? (() => Promise.resolve())): MemoryProjectionConnection => {
    const lost = new WeakSet<Error>();
    const open = new Set<(error: Error) => void>();
    let crashed = false;
    const gone = () => {
      const error = new Error('the connection is lost');
      lost.add(error);
      return error;
    };
    const turn = async (label: string) => {
      if (crashed) throw gone();
      try {
        await turnGiven(label);
      } catch (error) {
        // What the scheduler breaks is the connection, never the event.
        lost.add(error as Error);
        throw error;
      }
      if (crashed) throw gone();
    };
    /** One statement: waits for the row locks, then happens at once. */
    const statement = async <R>(label: string, names: readonly string[], effect: () => R): Promise<R> => {
      await turn(`store.${label}`);
      const release = await locks.take(names);
      let answer: R;
      try {
        if (crashed) throw gone();
        answer = effect();
      } finally {
        release();
      }
      if (names.length > 0) committed();
      await turn(`store.${label}.answer`);
      return answer;
    };
    /** A transaction: `dropped` rejects when the connection crashes, whatever it waits for. */
    const droppable = async <R>(work: (dropped: Promise<never>) => Promise<R>): Promise<R> => {
      if (crashed) throw gone();
      let drop: (error: Error) => void = () => {};
      const dropped = new Promise<never>((_, reject) => {
        drop = reject;
      });
      dropped.catch(() => {});
      open.add(drop);
      try {
        return await work(dropped);
      } finally {
        open.delete(drop);
      }
    };
    const isHeld = (r: StoredRevision | undefined, lease: Lease): r is StoredRevision =>
      r !== undefined && r.holder === lease.holder && r.state !== 'old' && r.halted === null;

    const create = (projection: Projection<MemoryTx>, state: RevisionState, epoch: Epoch) => {
      const revision = (lastRevision.get(projection.name) ?? 0) + 1;
      lastRevision.set(projection.name, revision);
      stored.set(idOf(projection.name, revision), {
        projection: projection.name,
        revision,
        codeRevision: projection.revision,
        state,
        bookmark: { epoch, position: START, eventId: null },
        feed: null,
        marks: null,
        holder: null,
        leaseUntilMs: 0,
        halted: null,
        data: NO_DATA,
      });
      return revision;
    };

    const inTransaction = (draft: Draft): Omit<Advance<MemoryTx>, 'changed' | 'prunedHere'> => ({
      tx: memoryTx(() => draft, turn),
      tables,
      async savepoint(inner) {
        const { written } = draft;
        try {
          return await inner();
        } catch (error) {
          draft.undo(written);
          throw error;
        }
      },
      async park(stream) {
        draft.park(stream.stream, stream);
      },
      async unpark(stream) {
        draft.park(stream, null);
      },
    });
    /** Locks the checkpoint, then the places: whoever moves one of those holds nothing else. */
    const lockAll = async (projection: string, revision: number): Promise<() => void> => {
      const id = idOf(projection, revision);
      const checkpoint = await locks.take([id]);
      const places = [...(stored.get(id)?.feed?.places.keys() ?? [])];
      const all = await locks.take(places.map((name) => `${id}/${name}`));
      return () => {
        all();
        checkpoint();
      };
    };
    /** A statement over the checkpoint and all its places. */
    const withAll = async <R>(
      label: string,
      projection: string,
      revision: number,
      effect: (r: StoredRevision | undefined) => R,
    ): Promise<R> => {
      await turn(`store.${label}`);
      const release = await lockAll(projection, revision);
      let answer: R;
      try {
        if (crashed) throw gone();
        answer = effect(stored.get(idOf(projection, revision)));
      } finally {
        release();
      }
      committed();
      await turn(`store.${label}.answer`);
      return answer;
    };

    return {
      crash() {
        crashed = true;
        for (const drop of [...open]) drop(gone());
      },

      async open(projection, purpose, epoch) {
        return statement('open', [projection.name], () => {
          const current = currentOf(projection.name);
          if (current && current.codeRevision > projection.revision) {
            throw new Superseded(`${projection.name} is at code revision ${current.codeRevision}`);
          }
          if (purpose === 'serve') {
            if (!current) return create(projection, 'current', epoch);
            if (current.codeRevision === projection.revision) return current.revision;
            const building = of(projection.name).find(
              (r) => r.state === 'building' && r.codeRevision === projection.revision,
            );
            return building?.revision ?? create(projection, 'building', epoch);
          }
          const abandoned = purpose === 'rebuild' ? ['building', 'shadow', 'old'] : ['shadow'];
          for (const r of of(projection.name)) {
            if (purpose === 'rebuild' && r.state === 'building' && leased(r)) {
              throw new RebuildRunning(`${r.holder} is rebuilding ${projection.name}`);
            }
            if (abandoned.includes(r.state) && !leased(r)) stored.delete(idOf(r.projection, r.revision));
          }
          return create(projection, purpose === 'rebuild' ? 'building' : 'shadow', epoch);
        });
      },

      async acquire(projection, revision, holder, ttlMs) {
        return statement('acquire', [], () => {
          const id = idOf(projection, revision);
          const r = stored.get(id);
          if (!r || r.state === 'old') return { kind: 'retired' } as const;
          if (r.halted !== null) return { kind: 'halted', reason: r.halted } as const;
          if (r.feed !== null) {
            const { generation, partitions } = r.feed;
            const { state } = r;
            return {
              kind: 'fed',
              projection,
              revision,
              state,
              generation: { generation, partitions },
            } as const;
          }
          if (locks.held(id) || (leased(r) && r.holder !== holder)) {
            return { kind: 'busy', holder: r.holder } as const;
          }
          r.holder = holder;
          r.leaseUntilMs = clock.now() + ttlMs;
          const lease = { projection, revision, holder, ttlMs };
          const { state, bookmark, marks } = r;
          const parked = [...r.data.parked.values()];
          return { kind: 'held', lease, state, bookmark, marks, parked } as const;
        });
      },

      async renew(lease) {
        const id = idOf(lease.projection, lease.revision);
        return statement('renew', [id], () => {
          const r = stored.get(id);
          if (!isHeld(r, lease)) return false;
          r.leaseUntilMs = clock.now() + lease.ttlMs;
          return true;
        });
      },

      async release(lease) {
        const id = idOf(lease.projection, lease.revision);
        await statement('release', [id], () => {
          const r = stored.get(id);
          if (r?.holder === lease.holder) r.holder = null;
        });
      },

      async advance(lease, from, to, work) {
        await turn('store.advance');
        const id = idOf(lease.projection, lease.revision);
        const release = await locks.take([id]);
        await droppable(async (dropped) => {
          const r = stored.get(id);
          if (!isHeld(r, lease) || !sameBookmark(r.bookmark, from)) throw new Fenced(lease);
          const draft = new Draft(() => r.data);
          const advance: Advance<MemoryTx> = {
            ...inTransaction(draft),
            async changed(changes) {
              if (r.state === 'current') draft.change(changes, keptChangesRows);
            },
            async prunedHere() {
              draft.prune(to.position);
            },
          };
          if (work) await Promise.race([work(advance), dropped]);
          await Promise.race([turn('store.commit'), dropped]);
          r.data = draft.data;
          r.bookmark = to;
          if (to.position >= greatestPosition(to, r.marks)) r.marks = null;
          r.leaseUntilMs = clock.now() + lease.ttlMs;
        }).finally(release);
        committed();
        await turn('store.advance.answer');
      },

      async promote(lease, catchUp) {
        await turn('store.promote');
        const { projection } = lease;
        const id = idOf(projection, lease.revision);
        const releases = [await locks.take([projection])];
        try {
          return await droppable(async (dropped) => {
            const live = currentOf(projection);
            if (live?.revision === lease.revision) return 'promoted';
            if (live) releases.push(await lockAll(projection, live.revision));
            const reached = live && reachedBy(live);
            const behind = (r: StoredRevision | undefined) =>
              reached !== undefined &&
              r?.bookmark.epoch === reached.epoch &&
              r.bookmark.position < reached.greatest;
            if (behind(stored.get(id))) await Promise.race([catchUp(reached!.greatest), dropped]);
            releases.push(await locks.take([id]));
            const mine = stored.get(id);
            if (!isHeld(mine, lease)) throw new Fenced(lease);
            if (behind(mine)) return 'behind';
            await Promise.race([turn('store.commit'), dropped]);
            if (live) {
              leaveFeed(live);
              live.state = 'old';
              live.holder = null;
            }
            mine.state = 'current';
            mine.data = { ...mine.data, prunedThrough: mine.bookmark.position };
            committed();
            return 'promoted';
          });
        } finally {
          for (const release of releases) release();
          await turn('store.promote.answer');
        }
      },

      async join(lease, from, { generation, partitions, places }) {
        const { projection, revision } = lease;
        await withAll('join', projection, revision, (r) => {
          const may = isHeld(r, lease) && r.state === 'current' && r.feed === null && r.marks === null;
          if (!may || !sameBookmark(r.bookmark, from)) throw new Fenced(lease);
          r.feed = { generation, partitions, places: new Map(places.map((place) => [nameOf(place), place])) };
          r.holder = null;
        });
      },

      async leave({ projection, revision, generation }) {
        await withAll('leave', projection, revision, (r) => {
          if (r?.feed?.generation === generation.generation) leaveFeed(r);
        });
      },

      async places(projection, revision) {
        return statement('places', [], () => {
          const feed = stored.get(idOf(projection, revision))?.feed;
          return feed ? placesOf(feed) : null;
        });
      },

      async parkedStreams(projection, revision) {
        return statement('parkedStreams', [], () => [
          ...(stored.get(idOf(projection, revision))?.data.parked.values() ?? []),
        ]);
      },

      async advancePlaces(fed, moves, work) {
        await turn('store.advancePlaces');
        const id = idOf(fed.projection, fed.revision);
        const release = await locks.take(moves.map(({ from }) => `${id}/${nameOf(from)}`));
        await droppable(async (dropped) => {
          const r = stored.get(id);
          // Whoever takes the revision out of feed mode locks these places first.
          const places = r?.feed?.generation === fed.generation.generation ? r.feed.places : null;
          const stands = ({ from }: Move) => {
            const place = places?.get(nameOf(from));
            return place !== undefined && samePlace(place, from);
          };
          if (!r || !moves.every(stands)) throw new Fenced(fed);
          const draft = new Draft(() => r.data);
          const none = () => Promise.reject(new Error('a projection that is fed tells no changes'));
          const advance = { ...inTransaction(draft), changed: none, prunedHere: none };
          if (work) await Promise.race([work(advance), dropped]);
          await Promise.race([turn('store.commit'), dropped]);
          r.data = draft.data;
          for (const { to } of moves) r.feed!.places.set(nameOf(to), to);
        }).finally(release);
        committed();
        await turn('store.advancePlaces.answer');
      },

      async halt(projection, revision, bookmark, reason) {
        await withAll('halt', projection, revision, (r) => {
          const at =
            r && (r.feed ? [...r.feed.places.values()].map((place) => place.bookmark) : [r.bookmark]);
          if (!r || !at!.some((one) => sameBookmark(one, bookmark))) return;
          leaveFeed(r);
          r.halted = reason;
        });
      },

      async adopt(projection, revision, bookmark, epoch) {
        return withAll('adopt', projection, revision, (r) => {
          if (!r || r.feed || !sameBookmark(r.bookmark, bookmark)) return false;
          r.bookmark = { ...r.bookmark, epoch };
          const at = (r.marks?.at ?? []).map((mark) => ({ ...mark, bookmark: { ...mark.bookmark, epoch } }));
          r.marks = r.marks && { partitions: r.marks.partitions, at };
          r.halted = null;
          return true;
        });
      },

      async revisions(projection) {
        return statement('revisions', [], () =>
          [...stored.values()]
            .filter((r) => projection === undefined || r.projection === projection)
            .sort((a, b) =>
              a.projection === b.projection ? a.revision - b.revision : a.projection < b.projection ? -1 : 1,
            )
            .map(
              (r): Revision => ({
                projection: r.projection,
                revision: r.revision,
                codeRevision: r.codeRevision,
                state: r.state,
                bookmark: bookmarkOf(r),
                feed: generationOf(r),
                marks: shownBeyond(r),
                holder: leased(r) ? r.holder : null,
                halted: r.halted,
                prunedThrough: r.data.prunedThrough,
                parkedStreams: r.data.parked.size,
              }),
            ),
        );
      },

      async parked(projection, { after = '', limit }) {
        return statement('parked', [], () =>
          [...(currentOf(projection)?.data.parked.values() ?? [])]
            .filter((p) => p.stream > after)
            .sort((a, b) => (a.stream < b.stream ? -1 : 1))
            .slice(0, limit),
        );
      },

      async isParked(projection, streams) {
        return statement('isParked', [], () => {
          const parked = currentOf(projection)?.data.parked;
          return streams.some((stream) => parked?.has(stream));
        });
      },

      async drop(projection, revision) {
        const id = idOf(projection, revision);
        return statement('drop', [projection, id], () => {
          const r = stored.get(id);
          if (!r || r.state === 'current' || leased(r)) return false;
          return stored.delete(id);
        });
      },

      async snapshot(projection, revision) {
        return statement('snapshot', [], () => {
          const r = stored.get(idOf(projection, revision));
          if (!r) throw new Error(`${projection} has no revision ${revision}`);
          const { data } = r;
          return {
            bookmark: bookmarkOf(r),
            marks: shownBeyond(r),
            parked: [...data.parked.values()],
            async *rows(table) {
              for (const { key, row } of sortedRows(data, table.name)) yield { key, columns: row };
            },
            close: () => Promise.resolve(),
          };
        });
      },

      isTransient: (error) => error instanceof Error && lost.has(error),
    };
  };

  return {
    connect,
    current(projection) {
      const r = currentOf(projection);
      if (!r) return null;
      return {
        stamp: { ...bookmarkOf(r), revision: r.revision },
        feed: generationOf(r),
        marks: shownBeyond(r),
        halted: r.halted,
        data: r.data,
      };
    },
    onCommit(hint) {
      hints.add(hint);
      return () => hints.delete(hint);
    },
  };
}

function placesOf({ generation, partitions, places }: NonNullable<StoredRevision['feed']>): Places {
  return { generation, partitions, places: [...places.values()] };
}

function generationOf({ feed }: StoredRevision): Generation | null {
  return feed && { generation: feed.generation, partitions: feed.partitions };
}

function bookmarkOf({ feed, bookmark }: StoredRevision): Bookmark {
  return feed ? leastPlace(placesOf(feed).places).bookmark : bookmark;
}

function shownBeyond({ feed, marks }: StoredRevision): Marks | null {
  return feed ? marksOf(placesOf(feed)) : marks;
}

function reachedBy(r: StoredRevision): { readonly epoch: Epoch; readonly greatest: Position } {
  const bookmark = bookmarkOf(r);
  return { epoch: bookmark.epoch, greatest: greatestPosition(bookmark, shownBeyond(r)) };
}

function leaveFeed(r: StoredRevision): void {
  if (r.feed === null) return;
  [r.bookmark, r.marks] = [bookmarkOf(r), shownBeyond(r)];
  r.feed = null;
}
