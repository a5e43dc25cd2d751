import type { TenantState } from '../../commands/tenants/tenant-state.ts';
import type { Position } from '../../schemas/envelope.ts';

/** A tenant as it is stored, and as queries answer it. */
export interface StoredTenant {
  /** `tenant.version` is what an ETag is made of. */
  readonly tenant: TenantState;
  readonly createdPosition: Position;
  /** Of the last event of the tenant's stream. */
  readonly position: Position;
  readonly changedAtMs: number;
}

export type TenantRow = {
  readonly tenant_id: string;
  readonly slug: string;
  readonly suspended: boolean;
  readonly created_position: Position;
  readonly position: Position;
  readonly changed_at_ms: number;
  readonly state: string;
};

export function storedTenantOf(row: TenantRow): StoredTenant {
  return {
    tenant: JSON.parse(row.state) as TenantState,
    createdPosition: row.created_position,
    position: row.position,
    changedAtMs: Number(row.changed_at_ms),
  };
}
