/** Lists come in pages: a cursor, good for the same list, filters and history alone, leads on. */
import { z } from 'zod';
import { decodeCursor, encodeCursor } from '../../projections/cursor.ts';
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../../projections/page.ts';
import type { Services } from '../services.ts';

const DEFAULT_PAGE_ITEMS = 20;

/** What every list takes. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/, `use a whole number from 1 to ${MAX_PAGE_ITEMS}`)
    .transform(Number)
    .refine((n) => n <= MAX_PAGE_ITEMS, `at most ${MAX_PAGE_ITEMS}`)
    .optional()
    .meta({ description: `Items a page, 1 to ${MAX_PAGE_ITEMS}; ${DEFAULT_PAGE_ITEMS} unless given.` }),
  cursor: z
    .string()
    .max(512)
    .optional()
    .meta({ description: '`nextCursor` of the page before, with the same filters.' }),
};

export const nextCursorSchema = z.string().nullable().meta({
  description: 'Leads to the next page; null: that was all. A page may hold fewer items than asked for.',
});

interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface Pager {
  readonly page: PageRequest;
  /** The cursor that leads on from this page. */
  next(page: Pick<Page<unknown>, 'next'>): string | null;
}

/** Throws `invalid_cursor` or `epoch_gone`. `list` names the query, `filters` are as they were asked. */
export function pagerOf(
  services: Services,
  tenant: string,
  list: string,
  query: PageQuery & Record<string, unknown>,
): Pager {
  const { limit, cursor, ...filters } = query;
  const scope = { epoch: services.epoch(), tenant, list, filters };
  return {
    page: {
      limit: limit ?? DEFAULT_PAGE_ITEMS,
      after: cursor === undefined ? null : decodeCursor(services.cursorKey, scope, cursor),
    },
    next: ({ next }) => (next === null ? null : encodeCursor(services.cursorKey, scope, next)),
  };
}
