/** Sets a key's balance, or frees it from one. */
import type { SetCredits } from '../../schemas/commands/keys.ts';
import type { KeyEvent } from '../../schemas/events/keys.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { useFaults } from './issue-key.ts';
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

/**
 * Setting a balance is a statement about now, so it is an event also when the number is the same: blocks
 * leased from the balance before it are void.
 */
export function decideSetCredits(
  command: SetCredits & KeyFacts & { readonly grantor: Grantor },
  key: KeyState,
): Decision<KeyEvent> {
  const refused = refusal(command, key) ?? beyondCaller(key, command.grantor);
  if (refused) return refused;
  const errors = useFaults({ use: key.use, credits: command.credits });
  if (errors.length > 0) return reject({ code: 'invalid_request', detail: errors[0]!.message, errors });
  if (command.credits === null && key.credits === null) return nothing;
  return { accept: [{ type: 'key.credits-set', data: { credits: command.credits } }] };
}

/** `context`: at the key's stream. */
export function setCredits(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: SetCredits & { readonly keyId: string; readonly ifVersion?: number },
): Promise<KeyOutcome> {
  const { keyId, ifVersion, credits } = input;
  const command = () => ({ credits, grantor });
  return changeKey(deps, { context, keyId, ifVersion, decide: decideSetCredits, command });
}
