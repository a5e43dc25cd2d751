/** What a projection is given in its transactions, changed: how a twin takes a safeguard out of them. */
import type { Advance } from '../../projections/store.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import type { Store } from './outages.ts';
import { replacing } from './replacing.ts';

type Change = (advance: Advance<MemoryTx>) => Partial<Advance<MemoryTx>>;

/** In log mode. */
export function changedAdvance(store: Store, change: Change): Store {
  return replacing(store, {
    advance: (lease, from, to, work) => store.advance(lease, from, to, changed(work, change)),
  });
}

/** In feed mode. */
export function changedFedAdvance(store: Store, change: Change): Store {
  return replacing(store, {
    advancePlaces: (fed, moves, work) => store.advancePlaces(fed, moves, changed(work, change)),
  });
}

function changed(work: ((advance: Advance<MemoryTx>) => Promise<void>) | null, change: Change): typeof work {
  return work && ((advance) => work({ ...advance, ...change(advance) }));
}

/** What a failing event has written stays. */
export const withoutSavepoint: Change = () => ({ savepoint: (inner) => inner() });
