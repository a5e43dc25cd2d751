/** Puts the digests of a key's secrets under the current pepper, around the ones they are under. */
import type { KeyEvent, SecretDigest } from '../../schemas/events/keys.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext } from '../execute.ts';
import type { Peppers } from '../peppers.ts';
import { pepperedDigest } from './digest.ts';
import { changeKey, type KeyDeps, type KeyFacts, type KeyOutcome, nothing, refusal } from './key-command.ts';
import type { KeyState } from './key-state.ts';

/** `schemas/events/keys.ts` takes no longer chain. */
const MAX_CHAIN = 16;

export interface RepepperCommand {
  /** Of all secrets of the key, in their order, as they shall be. */
  readonly secrets: readonly Pick<SecretDigest, 'digest' | 'pepperVersions'>[];
}

export function decideRepepper(command: RepepperCommand & KeyFacts, key: KeyState): Decision<KeyEvent> {
  const refused = refusal(command, key);
  if (refused) return refused;
  if (key.secrets.every((secret, i) => secret.digest === command.secrets[i]!.digest)) return nothing;
  if (command.secrets.some((secret) => secret.pepperVersions.length > MAX_CHAIN)) {
    return reject({
      code: 'conflict',
      detail: `A secret of this key is under ${MAX_CHAIN} peppers already: rotate it without overlap.`,
    });
  }
  const secrets = command.secrets.map(({ digest, pepperVersions }) => ({
    digest,
    pepperVersions: [...pepperVersions],
  }));
  return { accept: [{ type: 'key.repeppered', data: { secrets } }] };
}

/** A secret under the current pepper already stays as it is. `context`: at the key's stream. */
export function repepperKey(
  deps: KeyDeps,
  context: CommandContext,
  input: { readonly keyId: string },
): Promise<KeyOutcome> {
  return changeKey(deps, {
    context,
    keyId: input.keyId,
    decide: decideRepepper,
    command: (_, key) => ({ secrets: key.secrets.map((secret) => underCurrent(deps.peppers, secret)) }),
  });
}

/** New digest = HMAC(current pepper, old digest). */
export function underCurrent(
  peppers: Peppers,
  secret: Pick<SecretDigest, 'digest' | 'pepperVersions'>,
): Pick<SecretDigest, 'digest' | 'pepperVersions'> {
  if (secret.pepperVersions.at(-1) === peppers.current) return secret;
  const digest = pepperedDigest(peppers, [peppers.current], Buffer.from(secret.digest, 'base64url'));
  if (digest === null) throw new Error(`the keyring lacks its current pepper, version ${peppers.current}`);
  return {
    digest: Buffer.from(digest).toString('base64url'),
    pepperVersions: [...secret.pepperVersions, peppers.current],
  };
}
