import type { TenantView } from '../../schemas/views/tenants.ts';
import type { TenantState } from './tenant-state.ts';

/** How a tenant is shown. The state must be of a tenant that exists. */
export function tenantView(tenant: TenantState): TenantView {
  return {
    id: tenant.tenantId!,
    version: tenant.version,
    slug: tenant.slug!,
    name: tenant.name,
    status: tenant.suspended ? 'suspended' : 'active',
    createdAt: new Date(tenant.createdAtMs).toISOString(),
  };
}
