/**
 * The port of the second level: rows that another process has read, in a place that all of them share.
 *
 * It is trusted with nothing. What comes back is authenticated (`shared-entry.ts`), judged by the same
 * freshness rule as what this process holds itself, and compared with the log (`confirmed-stamps.ts`): an
 * engine that forgets, answers late, answers garbage or is not there costs time and nothing else. So its
 * calls may reject, and may hang: `SecondLevel` bounds them and passes a failing engine by.
 */
import type { Position } from '../../schemas/envelope.ts';

export interface SharedRecord {
  readonly name: string;
  /** Of the snapshot that the text was made from. */
  readonly position: Position;
  readonly text: string;
}

export interface SharedCache {
  /** What is held under each name, in their order; null: nothing. At most `MAX_SHARED_NAMES`. */
  getMany(names: readonly string[]): Promise<readonly (string | null)[]>;
  /**
   * Of names that have nothing usable: whether the caller is the one that reads the row (true), or another
   * process has said within its last `claimMs` that it will, and has not put it yet (false).
   */
  claim(names: readonly string[], claimMs: number): Promise<readonly boolean[]>;
  /** Ends the claims. A record never replaces one of a later position. Kept for a bounded time. */
  put(records: readonly SharedRecord[]): Promise<void>;
}

export const MAX_SHARED_NAMES = 100;
/** A row larger than this is not shared. */
export const MAX_SHARED_BYTES = 32_768;
