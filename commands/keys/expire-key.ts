/** Writes down that a key's expiry has come; verify has known it since. */
import type { KeyEvent } from '../../schemas/events/keys.ts';
import type { Decision } from '../decider.ts';
import { systemContext } from '../system-context.ts';
import { changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, nothing, refusal } from './key-command.ts';
import type { KeyState } from './key-state.ts';

export interface ExpireKey {
  /** The expiry that was found due; another one by now makes this command void. */
  readonly expiresAtMs: number;
}

/** Nothing when the expiry moved meanwhile, was written before, or the key is revoked. */
export function decideExpire(command: ExpireKey & KeyFacts, key: KeyState): Decision<KeyEvent> {
  if (refusal(command, key) || key.expired) return nothing;
  if (key.expiresAtMs !== command.expiresAtMs || command.nowMs < command.expiresAtMs) return nothing;
  return {
    accept: [{ type: 'key.expired', data: { expiresAt: new Date(command.expiresAtMs).toISOString() } }],
  };
}

/** The same key and due time is the same command, whichever scheduler gives it. */
export function expireKey(
  deps: KeyDeps,
  input: { readonly tenant: string; readonly keyId: string; readonly dueAtMs: number },
): Promise<KeyOutcome> {
  const { tenant, keyId, dueAtMs } = input;
  const context = systemContext('scheduler', tenant, [`expire ${keyId}`, String(dueAtMs)]);
  const command = () => ({ expiresAtMs: dueAtMs });
  return changeKey(deps, { context, keyId, decide: decideExpire, command });
}
