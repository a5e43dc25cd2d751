/** Gives a key a new secret; the ones before it stay good for an overlap. */
import type { RotateKey } from '../../schemas/commands/keys.ts';
import type { KeyEvent, SecretDigest } from '../../schemas/events/keys.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import { type IssueOutcome, withSecret } from './issue-key.ts';
import {
  beyondCaller,
  changeKey,
  type Grantor,
  type KeyDeps,
  type KeyFacts,
  refusal,
} from './key-command.ts';
import { type KeyState, MAX_SECRETS } from './key-state.ts';
import { type NewSecret, newSecret } from './new-secret.ts';

export interface RotateCommand extends RotateKey {
  readonly secret: SecretDigest;
  readonly grantor: Grantor;
}

export function decideRotate(command: RotateCommand & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const refused = refusal(command, key) ?? beyondCaller(key, command.grantor);
  if (refused) return refused;
  const { nowMs, overlapSeconds } = command;
  const good = key.secrets.filter((s) => s.validUntilMs === null || s.validUntilMs > nowMs);
  if (overlapSeconds > 0 && good.length >= MAX_SECRETS) {
    // Dropping the oldest would break the overlap that was promised for it.
    return reject({
      code: 'conflict',
      detail: `${MAX_SECRETS} secrets of this key are good at once: wait for an overlap to end, or rotate without one.`,
    });
  }
  const overlapUntil = overlapSeconds === 0 ? null : new Date(nowMs + overlapSeconds * 1000).toISOString();
  return { accept: [{ type: 'key.rotated', data: { secret: command.secret, overlapUntil } }] };
}

/** An imported key gets a secret in our own format, and keeps its id. `context`: at the key's stream. */
export async function rotateKey(
  deps: KeyDeps,
  context: CommandContext,
  grantor: Grantor,
  input: RotateKey & { readonly keyId: string; readonly ifVersion?: number },
): Promise<IssueOutcome> {
  const { keyId, ifVersion, overlapSeconds } = input;
  let secret: NewSecret | null = null;
  const outcome = await changeKey<RotateCommand>(deps, {
    context,
    keyId,
    ifVersion,
    decide: decideRotate,
    command(_, key) {
      secret = newSecret(deps, key.mode, keyId);
      return { overlapSeconds, secret: secret.digest, grantor };
    },
  });
  return withSecret(outcome, secret);
}
