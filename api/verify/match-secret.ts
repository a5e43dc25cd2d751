/** Whether a text is one of a key's secrets, good now. */
import { importedDigestOf, pepperedDigest, sameDigest } from '../../commands/keys/digest.ts';
import type { Peppers } from '../../commands/peppers.ts';
import type { KeyEntry } from './key-entry.ts';

const NOTHING = new Uint8Array(32);

/** Every secret is compared, so that time does not tell which one was nearly right; a miss compares too. */
export function matches(peppers: Peppers, entry: KeyEntry | null, text: string, nowMs: number): boolean {
  const key = entry?.key ?? null;
  if (key === null || key.secrets.length === 0) {
    const digest = pepperedDigest(peppers, [peppers.current], text);
    if (digest !== null) sameDigest(digest, NOTHING);
    return false;
  }
  let matched = false;
  for (const [index, secret] of key.secrets.entries()) {
    // An imported secret has no hint; a key that was imported and then rotated holds one of each.
    const foreign = key.format === 'foreign' && secret.hint === null;
    const input = foreign ? importedDigestOf(text) : text;
    const digest = pepperedDigest(peppers, secret.pepperVersions, input);
    if (digest === null || !sameDigest(digest, entry!.digests[index]!)) continue;
    // A secret in overlap ends at its time, whether or not an event has said so.
    if (secret.validUntilMs === null || nowMs < secret.validUntilMs) matched = true;
  }
  return matched;
}
