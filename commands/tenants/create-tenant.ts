/** Makes a tenant. Its id, and so its stream, is made from the slug: that is what makes a slug unique. */
import type { CreateTenant } from '../../schemas/commands/tenants.ts';
import type { TenantEvent } from '../../schemas/events/tenants.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, ExecuteDeps, Outcome } from '../execute.ts';
import { tenantIdOf } from '../ids.ts';
import { changeTenant } from './tenant-command.ts';
import type { TenantState } from './tenant-state.ts';

export function decideCreateTenant({ slug, name }: CreateTenant, tenant: TenantState): Decision<TenantEvent> {
  if (tenant.version > 0) {
    return reject({
      code: 'already_exists',
      detail: 'A tenant has this slug.',
      extra: { tenantId: tenant.tenantId },
    });
  }
  return { accept: [{ type: 'tenant.created', data: { tenantId: tenantIdOf(slug), slug, name } }] };
}

/** `context`: at `tenants/<slug>`; the event belongs to the new tenant, whichever the caller's is. */
export function createTenant(
  deps: ExecuteDeps,
  context: CommandContext,
  input: CreateTenant,
): Promise<Outcome<TenantState>> {
  return changeTenant(deps, {
    context: { ...context, tenant: tenantIdOf(input.slug) },
    command: input,
    creates: true,
    decide: decideCreateTenant,
  });
}
