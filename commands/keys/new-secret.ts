import type { SecretDigest } from '../../schemas/events/keys.ts';
import { Secret } from '../../schemas/secret.ts';
import type { KeyMode } from '../../schemas/values.ts';
import type { Random } from '../clock.ts';
import type { Peppers } from '../peppers.ts';
import { pepperedDigest } from './digest.ts';
import { hintOf, mintKey, SECRET_BYTES } from './key-format.ts';

export interface NewSecret {
  /** The whole text of the key: shown once, kept nowhere. */
  readonly text: Secret<string>;
  /** What the event keeps of it. */
  readonly digest: SecretDigest;
}

/** A secret from fresh randomness alone: nothing can compute it again, a retry of the command neither. */
export function newSecret(
  deps: { readonly random: Random; readonly peppers: Peppers },
  mode: KeyMode,
  keyId: string,
): NewSecret {
  const text = mintKey(mode, keyId, deps.random.bytes(SECRET_BYTES));
  return { text: new Secret(text), digest: { ...keptDigest(deps.peppers, text), hint: hintOf(text) } };
}

/** Under the current pepper. `input`: a key's whole text, or an imported digest. */
export function keptDigest(
  peppers: Peppers,
  input: string | Uint8Array,
): Pick<SecretDigest, 'digest' | 'pepperVersions'> {
  const version = peppers.current;
  const digest = pepperedDigest(peppers, [version], input);
  if (digest === null) throw new Error(`the keyring lacks its current pepper, version ${version}`);
  return { digest: Buffer.from(digest).toString('base64url'), pepperVersions: [version] };
}
