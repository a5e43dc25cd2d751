import type { Peppers } from '../peppers.ts';
import { importedDigestOf, pepperedDigest, sameDigest } from './digest.ts';
import type { KeySecret } from './key-state.ts';

/**
 * The newest of the secrets that the text is, whether or not it still opens anything; null if none. All
 * are compared. An imported secret is told by its missing hint: a key that was imported and then rotated
 * holds one of each.
 */
export function matchSecret(peppers: Peppers, secrets: readonly KeySecret[], text: string): KeySecret | null {
  let found: KeySecret | null = null;
  for (const secret of secrets) {
    const input = secret.hint === null ? importedDigestOf(text) : text;
    const digest = pepperedDigest(peppers, secret.pepperVersions, input);
    if (digest !== null && sameDigest(digest, Buffer.from(secret.digest, 'base64url'))) found = secret;
  }
  return found;
}
