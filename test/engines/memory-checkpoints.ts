/** Log mode in the projection store in memory: revisions, their leases and checkpoints, swaps and halts. */
import { greatestPosition, sameBookmark } from '../../projections/places.ts';
import {
  type Advance,
  Fenced,
  type ProjectionStore,
  RebuildRunning,
  Superseded,
} from '../../projections/store.ts';
import type { MemoryConnection } from './memory-connection.ts';
import {
  idOf,
  isHeld,
  leaveFeed,
  type MemoryRevisions,
  reachedBy,
  type StoredRevision,
} from './memory-revisions.ts';
import { Draft, type MemoryTx } from './memory-transaction.ts';

type Checkpoints = Pick<
  ProjectionStore<MemoryTx>,
  'open' | 'acquire' | 'renew' | 'release' | 'advance' | 'promote' | 'halt' | 'adopt' | 'drop'
>;

export function memoryCheckpoints(
  revisions: MemoryRevisions,
  on: MemoryConnection,
  keptChangesRows: number,
): Checkpoints {
  return {
    async open(projection, purpose, epoch) {
      return on.statement('open', [projection.name], () => {
        const current = revisions.current(projection.name);
        if (current && current.codeRevision > projection.revision) {
          throw new Superseded(`${projection.name} is at code revision ${current.codeRevision}`);
        }
        if (purpose === 'serve') {
          if (!current) return revisions.create(projection, 'current', epoch);
          if (current.codeRevision === projection.revision) return current.revision;
          const building = revisions
            .of(projection.name)
            .find((r) => r.state === 'building' && r.codeRevision === projection.revision);
          return building?.revision ?? revisions.create(projection, 'building', epoch);
        }
        const abandoned = purpose === 'rebuild' ? ['building', 'shadow', 'old'] : ['shadow'];
        for (const r of revisions.of(projection.name)) {
          if (purpose === 'rebuild' && r.state === 'building' && revisions.leased(r)) {
            throw new RebuildRunning(`${r.holder} is rebuilding ${projection.name}`);
          }
          if (abandoned.includes(r.state) && !revisions.leased(r)) revisions.drop(r);
        }
        return revisions.create(projection, purpose === 'rebuild' ? 'building' : 'shadow', epoch);
      });
    },

    async acquire(projection, revision, holder, ttlMs) {
      return on.statement('acquire', [], () => {
        const id = idOf(projection, revision);
        const r = revisions.get(projection, revision);
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
        if (revisions.locks.held(id) || (revisions.leased(r) && r.holder !== holder)) {
          return { kind: 'busy', holder: r.holder } as const;
        }
        r.holder = holder;
        r.leaseUntilMs = revisions.clock.now() + ttlMs;
        const lease = { projection, revision, holder, ttlMs };
        const { state, bookmark, marks } = r;
        const parked = [...r.data.parked.values()];
        return { kind: 'held', lease, state, bookmark, marks, parked } as const;
      });
    },

    async renew(lease) {
      const id = idOf(lease.projection, lease.revision);
      return on.statement('renew', [id], () => {
        const r = revisions.get(lease.projection, lease.revision);
        if (!isHeld(r, lease)) return false;
        r.leaseUntilMs = revisions.clock.now() + lease.ttlMs;
        return true;
      });
    },

    async release(lease) {
      const id = idOf(lease.projection, lease.revision);
      await on.statement('release', [id], () => {
        const r = revisions.get(lease.projection, lease.revision);
        if (r?.holder === lease.holder) r.holder = null;
      });
    },

    async advance(lease, from, to, work) {
      await on.turn('store.advance');
      const id = idOf(lease.projection, lease.revision);
      const release = await revisions.locks.take([id]);
      await on
        .droppable(async (dropped) => {
          const r = revisions.get(lease.projection, lease.revision);
          if (!isHeld(r, lease) || !sameBookmark(r.bookmark, from)) throw new Fenced(lease);
          const draft = new Draft(() => r.data);
          const advance: Advance<MemoryTx> = {
            ...on.inTransaction(draft),
            async changed(changes) {
              if (r.state === 'current') draft.change(changes, keptChangesRows);
            },
            async prunedHere() {
              draft.prune(to.position);
            },
          };
          if (work) await Promise.race([work(advance), dropped]);
          await Promise.race([on.turn('store.commit'), dropped]);
          r.data = draft.data;
          r.bookmark = to;
          if (to.position >= greatestPosition(to, r.marks)) r.marks = null;
          r.leaseUntilMs = revisions.clock.now() + lease.ttlMs;
        })
        .finally(release);
      revisions.committed();
      await on.turn('store.advance.answer');
    },

    async promote(lease, catchUp) {
      await on.turn('store.promote');
      const { projection } = lease;
      const id = idOf(projection, lease.revision);
      const releases = [await revisions.locks.take([projection])];
      try {
        return await on.droppable(async (dropped) => {
          const live = revisions.current(projection);
          if (live?.revision === lease.revision) return 'promoted';
          if (live) releases.push(await revisions.lockAll(projection, live.revision));
          const reached = live && reachedBy(live);
          const behind = (r: StoredRevision | undefined) =>
            reached !== undefined &&
            r?.bookmark.epoch === reached.epoch &&
            r.bookmark.position < reached.greatest;
          if (behind(revisions.get(projection, lease.revision)))
            await Promise.race([catchUp(reached!.greatest), dropped]);
          releases.push(await revisions.locks.take([id]));
          const mine = revisions.get(projection, lease.revision);
          if (!isHeld(mine, lease)) throw new Fenced(lease);
          if (behind(mine)) return 'behind';
          await Promise.race([on.turn('store.commit'), dropped]);
          if (live) {
            leaveFeed(live);
            live.state = 'old';
            live.holder = null;
          }
          mine.state = 'current';
          mine.data = { ...mine.data, prunedThrough: mine.bookmark.position };
          revisions.committed();
          return 'promoted';
        });
      } finally {
        for (const release of releases) release();
        await on.turn('store.promote.answer');
      }
    },

    async halt(projection, revision, bookmark, reason) {
      await on.overAll('halt', projection, revision, (r) => {
        const at = r && (r.feed ? [...r.feed.places.values()].map((place) => place.bookmark) : [r.bookmark]);
        if (!r || !at!.some((one) => sameBookmark(one, bookmark))) return;
        leaveFeed(r);
        r.halted = reason;
      });
    },

    async adopt(projection, revision, bookmark, epoch) {
      return on.overAll('adopt', projection, revision, (r) => {
        if (!r || r.feed || !sameBookmark(r.bookmark, bookmark)) return false;
        r.bookmark = { ...r.bookmark, epoch };
        const at = (r.marks?.at ?? []).map((mark) => ({ ...mark, bookmark: { ...mark.bookmark, epoch } }));
        r.marks = r.marks && { partitions: r.marks.partitions, at };
        r.halted = null;
        return true;
      });
    },

    async drop(projection, revision) {
      const id = idOf(projection, revision);
      return on.statement('drop', [projection, id], () => {
        const r = revisions.get(projection, revision);
        if (!r || r.state === 'current' || revisions.leased(r)) return false;
        return revisions.drop(r);
      });
    },
  };
}
