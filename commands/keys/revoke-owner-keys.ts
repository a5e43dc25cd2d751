/** Revokes every key of an owner by one event on the owner's stream. */
import type { RevokeOwnerKeys } from '../../schemas/commands/keys.ts';
import type { OwnerEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, type Outcome } from '../execute.ts';
import { ownerStream } from '../streams.ts';
import { evolveOwner, noOwner, type OwnerState } from './owner-state.ts';

type Command = RevokeOwnerKeys & { readonly ownerId: string };

/** Always an event, also the second time: keys may have been issued since, which nobody here can see. */
export function decideRevokeOwnerKeys({ ownerId, reason }: Command): Decision<OwnerEvent> {
  return { accept: [{ type: 'owner.keys-revoked', data: { ownerId, reason } }] };
}

/**
 * At once for every key that was issued before, whether or not anyone has found it yet; keys issued later
 * are good. `context`: at the owner's stream.
 */
export function revokeOwnerKeys(
  deps: ExecuteDeps,
  context: CommandContext,
  input: Command,
): Promise<Outcome<OwnerState>> {
  return execute<OwnerState, Command, OwnerEvent>(deps, {
    decider: { initial: noOwner, evolve: evolveOwner, decide: decideRevokeOwnerKeys },
    stream: ownerStream(context.tenant, input.ownerId),
    context,
    command: () => input,
  });
}
