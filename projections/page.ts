/** Paging: newest first, and on from the position of the last one seen. */
import type { Position } from '../schemas/envelope.ts';

/** More items than this are never on one page. */
export const MAX_PAGE_ITEMS = 100;

export interface PageRequest {
  readonly limit: number;
  /** Where the page before ended; null: from the newest. */
  readonly after: Position | null;
}

/**
 * A page may hold fewer items than asked for, even none, and still have a next one: a filter that no index
 * serves looks through a bounded number of rows a page.
 */
export interface Page<T> {
  readonly items: readonly T[];
  /** What to go on after; null: that was all. */
  readonly next: Position | null;
}
