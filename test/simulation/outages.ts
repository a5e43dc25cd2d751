/** What stands still or is away for a while, in the middle of a schedule. */
import type { ChangesSource } from '../../projections/changes.ts';
import type { ProjectionStore } from '../../projections/store.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import { replacing } from './replacing.ts';
import type { Scheduler } from './scheduler.ts';

export type Store = ProjectionStore<MemoryTx>;

/** The whole process stands still, as under SIGSTOP, and goes on as if nothing had been. */
export async function freeze(scheduler: Scheduler, process: { frozen: boolean }): Promise<void> {
  process.frozen = true;
  await scheduler.clock.sleep(1000 + scheduler.below(9000));
  process.frozen = false;
}

/** Nothing of a projection commits while the database is away from its runner. */
export function stalling(store: Store, away: () => boolean): Store {
  return replacing(store, {
    advance: (...args) => (away() ? Promise.reject(new Error('no route')) : store.advance(...args)),
  });
}

export function pollsFail(changes: ChangesSource, away: () => boolean): ChangesSource {
  return {
    ...changes,
    poll: (after) => (away() ? Promise.reject(new Error('no route')) : changes.poll(after)),
  };
}
