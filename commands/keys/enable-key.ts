/** Turns a disabled key on again. */
import type { EnableKey } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import {
  beyondCaller,
  changeKey,
  type Grantor,
  type KeyDeps,
  type KeyFacts,
  type KeyOutcome,
  nothing,
  refusal,
} from './key-command.ts';
import type { KeyState } from './key-state.ts';

export function decideEnable(
  command: EnableKey & KeyFacts & { readonly grantor: Grantor },
  key: KeyState,
): Decision<KeyEvent> {
  const refused = refusal(command, key) ?? beyondCaller(key, command.grantor);
  if (refused) return refused;
  if (!key.disabled) return nothing;
  return { accept: [{ type: 'key.enabled', data: { ownerId: key.ownerId, reason: command.reason } }] };
}

/** Enabling an enabled key changes nothing. `context`: at the key's stream. */
export function enableKey(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: EnableKey & { readonly keyId: string; readonly ifVersion?: number },
): Promise<KeyOutcome> {
  const { keyId, ifVersion, reason } = input;
  const command = () => ({ reason, grantor });
  return changeKey(deps, { context, keyId, ifVersion, decide: decideEnable, command });
}
