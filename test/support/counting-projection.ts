/** Counts the events of each stream of keys; may be fed by Kafka. */
import type { Projection } from '../../projections/projection.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';

export const counts: Projection<MemoryTx> = {
  name: 'counts',
  revision: 1,
  order: 'stream',
  domains: ['keys'],
  types: new Set(['thing.happened']),
  tables: [{ name: 'counts', key: ['key'] }],
  reads: 'public',
  publishesChanges: false,
  create: () => Promise.resolve(),
  async apply(tx, tables, events) {
    for (const { stream } of events) {
      const row = (await tx.get(tables('counts'), stream)) as { n: number } | null;
      await tx.put(tables('counts'), stream, { n: (row?.n ?? 0) + 1 });
    }
  },
};
