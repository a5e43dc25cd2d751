/** The follow-up to a revoke-all: writes down on a key's own stream what is so already. */
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, nothing } from './key-command.ts';
import type { KeyState } from './key-state.ts';

export interface RevokeOwned {
  readonly ownerId: string;
  /** Version of the revoke-all on the owner's stream. */
  readonly revokeAllVersion: number;
  readonly reason: string | null;
}

/** Does nothing to a key that relied on the revoke-all or a later version of its owner: it was issued after it. */
export function decideRevokeOwned(command: RevokeOwned & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const { tenant, ownerId, revokeAllVersion, reason } = command;
  if (key.version === 0 || key.tenant !== tenant || key.ownerId !== ownerId) return nothing;
  if (key.revokedAtMs !== null || key.ownerVersion >= revokeAllVersion) return nothing;
  return { accept: [{ type: 'key.revoked', data: { ownerId, reason, cause: 'owner' } }] };
}

export function revokeOwnedKey(
  deps: KeyDeps,
  context: CommandContext,
  input: RevokeOwned & { readonly keyId: string },
): Promise<KeyOutcome> {
  const { keyId, ...command } = input;
  return changeKey(deps, { context, keyId, decide: decideRevokeOwned, command: () => command });
}
