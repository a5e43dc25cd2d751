/** Stops everything that a tenant's keys can do, until it is resumed. */
import type { SuspendTenant } from '../../schemas/commands/tenants.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import type { TenantEvent } from '../../schemas/events/tenants.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, ExecuteDeps, Outcome } from '../execute.ts';
import { DEFAULT_TENANT } from './default-tenant.ts';
import { changeTenant } from './tenant-command.ts';
import type { TenantState } from './tenant-state.ts';

export const noSuchTenant = reject({ code: 'not_found', detail: 'There is no such tenant.' });

export function decideSuspendTenant(command: SuspendTenant, tenant: TenantState): Decision<TenantEvent> {
  if (tenant.version === 0) return noSuchTenant;
  if (tenant.tenantId === DEFAULT_TENANT) {
    // Nobody would be left who could resume it.
    return reject({ code: 'conflict', detail: 'The default tenant cannot be suspended.' });
  }
  if (tenant.suspended) return { accept: [] };
  return { accept: [{ type: 'tenant.suspended', data: { reason: command.reason } }] };
}

/** Suspending a suspended tenant changes nothing. `context`: at the tenant's stream. */
export function suspendTenant(
  deps: ExecuteDeps,
  context: CommandContext,
  input: SuspendTenant & { readonly tenantId: TenantId; readonly ifVersion?: number },
): Promise<Outcome<TenantState>> {
  const { tenantId, ifVersion, ...command } = input;
  return changeTenant(deps, {
    context: { ...context, tenant: tenantId },
    command,
    ifVersion,
    decide: decideSuspendTenant,
  });
}
