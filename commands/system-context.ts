/** Contexts of commands that no request asked for. */
import type { CommandId, TenantId } from '../schemas/envelope.ts';
import type { CommandContext } from './execute.ts';
import { uuidv5 } from './ids.ts';

/**
 * @param role becomes the actor, `system:<role>`
 * @param parts what makes it the same command when it is given again
 */
export function systemContext(
  role: string,
  tenant: TenantId | string,
  parts: readonly string[],
  causedBy: { readonly eventId: string; readonly correlationId: string } | null = null,
): CommandContext {
  const commandId = uuidv5('system', role, ...parts) as CommandId;
  return {
    commandId,
    tenant: tenant as TenantId,
    actor: `system:${role}`,
    requestDigest: null,
    correlationId: causedBy?.correlationId ?? commandId,
    causationId: causedBy?.eventId ?? null,
    traceparent: null,
  };
}
