/** What is asked about tenants. */
import type { TenantState } from '../../commands/tenants/tenant-state.ts';
import type { Position } from '../../schemas/envelope.ts';
import type { Page, PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';

export interface TenantRecord {
  readonly tenant: TenantState;
  readonly createdPosition: Position;
  /** Of the last event of the tenant's stream. */
  readonly position: Position;
  readonly changedAtMs: number;
}
export interface TenantFilter {
  readonly suspended?: boolean;
  /** Start of the slug. */
  readonly q?: string;
}
export declare function listTenants(
  tx: Tx,
  tenants: Tables,
  filter: TenantFilter,
  page: PageRequest,
): Promise<Page<TenantRecord>>;
/** By id or by slug. */
export declare function getTenant(tx: Tx, tenants: Tables, idOrSlug: string): Promise<TenantRecord | null>;
