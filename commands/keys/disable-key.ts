/** Turns a key off until it is enabled again. */
import type { DisableKey } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, nothing, refusal } from './key-command.ts';
import type { KeyState } from './key-state.ts';

export function decideDisable(command: DisableKey & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const refused = refusal(command, key);
  if (refused) return refused;
  if (key.disabled) return nothing;
  return { accept: [{ type: 'key.disabled', data: { ownerId: key.ownerId, reason: command.reason } }] };
}

/** Disabling a disabled key changes nothing. `context`: at the key's stream. */
export function disableKey(
  deps: KeyDeps,
  context: CommandContext,
  input: DisableKey & { readonly keyId: string; readonly ifVersion?: number },
): Promise<KeyOutcome> {
  const { keyId, ifVersion, reason } = input;
  return changeKey(deps, { context, keyId, ifVersion, decide: decideDisable, command: () => ({ reason }) });
}
