/** How queries read: one snapshot, stamped with the position it shows. */
import type { Position } from '../schemas/envelope.ts';
import type { Stamp, Tables, Tx } from './projection.ts';

export interface ReadOptions {
  /** The read model must have reached this position (read your writes). */
  readonly atLeast?: Position;
  /** How long to wait for it; then `projection_behind`. */
  readonly waitMs?: number;
  /**
   * Further projections that the query reads in the same snapshot, each in its current revision;
   * `atLeast` and the stamp are of the one named first alone.
   */
  readonly also?: readonly string[];
}

export interface ReadModels {
  /**
   * Runs `query` in one read-only snapshot of the projection's current revision. Throws `PlinthError`
   * `projection_behind` when `atLeast` is not reached in time, `log_epoch_changed` when it is halted.
   * `tablesOf` knows the projection itself and those of `also`.
   */
  read<R>(
    projection: string,
    options: ReadOptions,
    query: (tx: Tx, tables: Tables, stamp: Stamp, tablesOf: (projection: string) => Tables) => Promise<R>,
  ): Promise<{ readonly result: R; readonly stamp: Stamp }>;
}
