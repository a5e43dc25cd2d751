import type { TenantEvent } from '../../schemas/events/tenants.ts';
import type { Fact } from '../decider.ts';

export interface TenantState {
  readonly version: number;
  readonly tenantId: string | null;
  readonly slug: string | null;
  /** Null when erased, too. */
  readonly name: string | null;
  readonly suspended: boolean;
  readonly createdAtMs: number;
}

export const noTenant: TenantState = {
  version: 0,
  tenantId: null,
  slug: null,
  name: null,
  suspended: false,
  createdAtMs: 0,
};

export function evolveTenant(state: TenantState, event: Fact<TenantEvent>): TenantState {
  const next = { ...state, version: event.version };
  switch (event.type) {
    case 'tenant.created':
      return { ...next, ...event.data, createdAtMs: event.timeMs };
    case 'tenant.suspended':
      return { ...next, suspended: true };
    case 'tenant.resumed':
      return { ...next, suspended: false };
    default:
      return next;
  }
}
