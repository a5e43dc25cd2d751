import type { TenantEvent } from '../../schemas/events/tenants.ts';
import type { Decision } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, type Outcome } from '../execute.ts';
import { tenantStream } from '../streams.ts';
import { evolveTenant, noTenant, type TenantState } from './tenant-state.ts';

export interface TenantChange<C> {
  /** Of the tenant that is changed: its own events are its own. */
  readonly context: CommandContext;
  readonly command: C;
  readonly ifVersion?: number;
  readonly creates?: boolean;
  decide(command: C, tenant: TenantState): Decision<TenantEvent>;
}

/** Folds the tenant of the context, decides, appends. */
export function changeTenant<C>(deps: ExecuteDeps, change: TenantChange<C>): Promise<Outcome<TenantState>> {
  const { context, command, decide, ...rest } = change;
  return execute<TenantState, C, TenantEvent>(deps, {
    decider: { initial: noTenant, evolve: evolveTenant, decide },
    stream: tenantStream(context.tenant),
    context,
    command: () => command,
    ...rest,
  });
}
