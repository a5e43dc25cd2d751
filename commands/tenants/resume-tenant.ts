/** Lets a suspended tenant's keys do again what they could. */
import type { ResumeTenant } from '../../schemas/commands/tenants.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import type { TenantEvent } from '../../schemas/events/tenants.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext, ExecuteDeps, Outcome } from '../execute.ts';
import { noSuchTenant } from './suspend-tenant.ts';
import { changeTenant } from './tenant-command.ts';
import type { TenantState } from './tenant-state.ts';

export function decideResumeTenant(command: ResumeTenant, tenant: TenantState): Decision<TenantEvent> {
  if (tenant.version === 0) return noSuchTenant;
  if (!tenant.suspended) return { accept: [] };
  return { accept: [{ type: 'tenant.resumed', data: { reason: command.reason } }] };
}

/** Resuming an active tenant changes nothing. `context`: at the tenant's stream. */
export function resumeTenant(
  deps: ExecuteDeps,
  context: CommandContext,
  input: ResumeTenant & { readonly tenantId: TenantId; readonly ifVersion?: number },
): Promise<Outcome<TenantState>> {
  const { tenantId, ifVersion, ...command } = input;
  return changeTenant(deps, {
    context: { ...context, tenant: tenantId },
    command,
    ifVersion,
    decide: decideResumeTenant,
  });
}
