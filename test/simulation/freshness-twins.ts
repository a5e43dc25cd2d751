/** What keeps a revocation from being missed, and each of it left out. */
import type { LoadRows } from '../../api/verify/key-cache.ts';
import type { SharedCache } from '../../api/verify/shared-cache.ts';
import type { EventLog } from '../../commands/event-log.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import { START } from '../../schemas/envelope.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import { changedAdvance } from './changed-advance.ts';
import type { Store } from './outages.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';
import type { Scheduler } from './scheduler.ts';
import { fromLostEpoch, inLostEpoch, LOST_TAIL, restamped } from './shared-world.ts';
import { KEYS, rowsIn } from './verify-world.ts';

export interface FreshnessGuards {
  store(store: Store): Store;
  log(log: EventLog): EventLog;
  changes(changes: ChangesSource, database: MemoryProjectionDatabase, scheduler: Scheduler): ChangesSource;
  shared(shared: SharedCache, database: MemoryProjectionDatabase, scheduler: Scheduler): SharedCache;
  loadRows(load: LoadRows, database: MemoryProjectionDatabase, scheduler: Scheduler): LoadRows;
}

/** As if the log held whatever event somebody says it did. */
const believing = (log: EventLog): EventLog =>
  replacing(log, {
    eventIdAt: async (position) =>
      position === LOST_TAIL.position ? LOST_TAIL.eventId : log.eventIdAt(position),
  });

export const twins: readonly Twin<FreshnessGuards>[] = [
  {
    name: 'the poll tells a position and no changes',
    breaks: 'a cached entry outlives the revocation of its key',
    guards: {
      changes: (changes) => ({
        ...changes,
        poll: async (after) => ({ ...(await changes.poll(after)), changes: [], complete: true }),
      }),
    },
  },
  {
    name: 'the head by the word of a follower',
    breaks: 'a read model that stands still looks fresh for ever',
    guards: {
      log: (log) => {
        let first: ReturnType<EventLog['head']> | null = null;
        return replacing(log, {
          head() {
            first ??= log.head();
            return first;
          },
        });
      },
    },
  },
  {
    name: 'row and stamp of two snapshots',
    breaks: 'an old row is stamped with the position of a newer one',
    guards: {
      loadRows: (load, database, scheduler) => async (lookups) => {
        const row = await load(lookups);
        await scheduler.clock.sleep(scheduler.below(1000));
        return { ...row, stamp: database.current(KEYS)?.stamp ?? row.stamp };
      },
    },
  },
  {
    name: 'pruned changes go unnoticed',
    breaks: 'a process that polls too late misses the change that it waits for',
    guards: {
      changes: (changes) => ({
        ...changes,
        poll: async (after) => ({ ...(await changes.poll(after)), prunedThrough: START }),
      }),
    },
  },
  {
    name: 'far behind, changes are left out and nobody is told',
    breaks: 'a process that waited for the projector misses the change that it waits for',
    guards: {
      store: (store) => changedAdvance(store, () => ({ prunedHere: async () => {} })),
    },
  },
  {
    name: 'position and changes of two snapshots',
    breaks: 'the poll claims a position whose changes it has not seen',
    guards: {
      changes: (changes, database, scheduler) => ({
        ...changes,
        async poll(after) {
          const poll = await changes.poll(after);
          await scheduler.clock.sleep(scheduler.below(900));
          return { ...poll, stamp: database.current(KEYS)?.stamp ?? poll.stamp };
        },
      }),
    },
  },
  {
    name: 'the owner is not looked at',
    breaks: 'keys outlive the revocation of all keys of their owner',
    guards: {
      loadRows: (load, database) => async (lookups) => {
        const answer = await load(lookups);
        const rows = rowsIn(database.current(KEYS), lookups);
        return {
          ...answer,
          rows: answer.rows.map((row, i) => ({
            ...row,
            owner: { ...rows[i]!.owner, revokedAllVersion: 0 },
          })),
        };
      },
    },
  },
  {
    name: 'a shared entry is used whatever its stamp',
    breaks: 'an entry from before the revocation comes back from the shared cache',
    guards: {
      shared: (shared, database) =>
        replacing(shared, {
          async getMany(names) {
            const texts = await shared.getMany(names);
            return texts.map((text, i) =>
              text === null
                ? null
                : restamped(names[i]!, text, (was) => database.current(KEYS)?.stamp ?? was),
            );
          },
        }),
    },
  },
  {
    name: 'a shared entry is stamped when it is written',
    breaks: 'an old row is shared with the position of a newer one',
    guards: {
      shared: (shared, database, scheduler) =>
        replacing(shared, {
          async put(records) {
            await scheduler.clock.sleep(scheduler.below(900));
            const now = database.current(KEYS)?.stamp;
            await shared.put(
              records.map(({ name, position, text }) => ({
                name,
                position: now?.position ?? position,
                text: restamped(name, text, (was) => now ?? was) ?? text,
              })),
            );
          },
        }),
    },
  },
  {
    name: 'the log is not asked for the event of a shared entry’s stamp',
    breaks: 'an entry of a tail that the log has lost looks newer than every revocation',
    guards: { log: believing },
  },
  {
    name: 'the epoch of a shared entry is not compared',
    breaks: 'an entry of an epoch that is over looks newer than every revocation',
    guards: {
      log: believing,
      shared: (shared) =>
        replacing(shared, {
          async getMany(names) {
            const lost = await shared.getMany(names.map(inLostEpoch));
            const held = await shared.getMany(names);
            return names.map((name, i) => fromLostEpoch(name, lost[i] ?? null) ?? held[i] ?? null);
          },
        }),
    },
  },
];
