import { projectionStoreContract } from '../contracts/projection-store.ts';
import { memoryProjectionDatabase } from './memory-projection-store.ts';
import { memoryChangesSource } from './memory-read-models.ts';
import type { MemoryTx } from './memory-transaction.ts';

projectionStoreContract<MemoryTx>('projections in memory', {
  async open() {
    let aheadMs = 0;
    const clock = {
      now: () => Date.now() + aheadMs,
      sleep: () => Promise.reject(new Error('the store never sleeps')),
    };
    const database = memoryProjectionDatabase({ clock, keptChangesRows: 10 });
    return {
      connect: () => database.connect(),
      changes: (projection) => memoryChangesSource(database, projection, { maxRows: 5 }),
      async elapse(ms) {
        aheadMs += ms;
      },
    };
  },
  create: () => Promise.resolve(),
  rows: (tx, tables) => ({
    get: (key) => tx.get(tables('things'), JSON.stringify([key])),
    put: (key, row) => tx.put(tables('things'), JSON.stringify([key]), { key, ...row }),
  }),
  decodeRow: (columns) => columns,
});
