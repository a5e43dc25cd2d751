/** An operator, who works in a process of their own beside what runs: rebuilds, verifies. */
import assert from 'node:assert/strict';
import type { EventLog } from '../../commands/event-log.ts';
import type { Projection } from '../../projections/projection.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import type { ProjectionDeps } from '../../projections/session.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import type { Store } from './outages.ts';
import { plainCodec } from './plain-codec.ts';
import { replacing } from './replacing.ts';
import type { Process, Scheduler } from './scheduler.ts';

export interface Operated {
  readonly projection: Projection<MemoryTx>;
  readonly log: EventLog;
  readonly store: Store;
}

export function operatorDeps(
  process: Process,
  { projection, log, store }: Operated,
): ProjectionDeps<MemoryTx> {
  return {
    projection,
    store,
    log: process.wrap(log, 'log'),
    decoder: plainCodec,
    clock: process.clock,
  };
}

/** Answers the new revision. */
export function rebuildBy(process: Process, operated: Operated): Promise<number | null> {
  const signal = new AbortController().signal;
  return rebuildProjection(operatorDeps(process, operated), { holder: process.name, signal });
}

/** The live revision may be held still this long for a swap. */
const MAX_HOLD_MS = 500;

/** Fails when a swap holds what is live for longer than it may. */
export function holdingBriefly(scheduler: Scheduler, store: Store): Store {
  return replacing(store, {
    async promote(lease, catchUp) {
      // Before that it may have waited for who held them.
      let heldMs: number | null = null;
      const answer = await store.promote(lease, (to) => {
        heldMs = scheduler.now();
        return catchUp(to);
      });
      // Where time passes at any step, the lease alone bounds it.
      assert.ok(
        !scheduler.fair || heldMs === null || scheduler.now() - heldMs <= MAX_HOLD_MS,
        'the live rows were held for long',
      );
      return answer;
    },
  });
}
