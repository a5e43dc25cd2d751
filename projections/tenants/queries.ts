/** What is asked about tenants. */
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';
import { type StoredTenant, storedTenantOf, type TenantRow } from './tenant-record.ts';

export type TenantRecord = StoredTenant;

export interface TenantFilter {
  readonly suspended?: boolean;
  /** Start of the slug. */
  readonly q?: string;
}

/** Newest first. */
export async function listTenants(
  tx: Tx,
  tenants: Tables,
  filter: TenantFilter,
  page: PageRequest,
): Promise<Page<TenantRecord>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const start = filter.q?.replaceAll('\u0000', '').toWellFormed() ?? null;
  const rows = await tx.query<TenantRow>(
    `SELECT * FROM ${tenants('tenants')} t
     WHERE ($1::text IS NULL OR t.created_position < $1) AND ($2::boolean IS NULL OR t.suspended = $2)
       AND ($3::text IS NULL OR starts_with(t.slug, $3))
     ORDER BY t.created_position DESC LIMIT $4`,
    [page.after, filter.suspended ?? null, start, limit + 1],
  );
  const items = rows.slice(0, limit).map(storedTenantOf);
  return { items, next: rows.length > limit ? items.at(-1)!.createdPosition : null };
}

/** By id or by slug. */
export async function getTenant(tx: Tx, tenants: Tables, idOrSlug: string): Promise<TenantRecord | null> {
  const [row] = await tx.query<TenantRow>(
    `SELECT * FROM ${tenants('tenants')} WHERE tenant_id = $1 OR slug = $1`,
    [idOrSlug],
  );
  return row ? storedTenantOf(row) : null;
}
