/**
 * The projection store in memory: obeys the port with snapshots and row locks as a database does, on the
 * clock it is given, and can fail where a real one can. For tests and the simulation.
 *
 * One database; every process of a test connects on its own, so that one can crash without the others.
 */
import type { Clock } from '../../commands/clock.ts';
import { KEPT_CHANGES_ROWS, type ProjectionStore } from '../../projections/store.ts';
import { memoryCheckpoints } from './memory-checkpoints.ts';
import { MemoryConnection } from './memory-connection.ts';
import { memoryFeedMode } from './memory-feed-mode.ts';
import { bookmarkOf, generationOf, MemoryRevisions, type Seen, shownBeyond } from './memory-revisions.ts';
import { memoryRevisionsTold } from './memory-revisions-told.ts';
import type { MemoryTx } from './memory-transaction.ts';

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

/** Only a projection's key columns tell a table's keys here: the key is the row's key in `put`. */
export function memoryProjectionDatabase(options: {
  readonly clock: Clock;
  readonly turn?: (label: string) => Promise<void>;
  readonly keptChangesRows?: number;
}): MemoryProjectionDatabase {
  const { keptChangesRows = KEPT_CHANGES_ROWS } = options;
  const revisions = new MemoryRevisions(options.clock);
  return {
    connect(turn = options.turn ?? (() => Promise.resolve())) {
      const on = new MemoryConnection(revisions, turn);
      return {
        ...memoryCheckpoints(revisions, on, keptChangesRows),
        ...memoryFeedMode(revisions, on),
        ...memoryRevisionsTold(revisions, on),
        isTransient: (error) => on.isTransient(error),
        crash: () => on.crash(),
      };
    },
    current(projection) {
      const r = revisions.current(projection);
      if (!r) return null;
      return {
        stamp: { ...bookmarkOf(r), revision: r.revision },
        feed: generationOf(r),
        marks: shownBeyond(r),
        halted: r.halted,
        data: r.data,
      };
    },
    onCommit: (hint) => revisions.onCommit(hint),
  };
}
