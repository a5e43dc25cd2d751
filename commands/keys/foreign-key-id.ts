import { base62 } from '../ids.ts';
import type { Peppers } from '../peppers.ts';
import { pepperedDigest } from './digest.ts';

/**
 * The id of the key that a digest is imported as. One digest is one key of a tenant, because the stream is
 * made from it: importing it twice meets itself. Under the oldest pepper, which the keyring keeps for
 * ever; a plain hash could be guessed at, for a foreign key may be weak.
 *
 * @param imported SHA-256 of the foreign key's text
 */
export function foreignKeyId(peppers: Peppers, tenant: string, imported: Uint8Array): string {
  const name = Buffer.concat([Buffer.from(`foreign key\u0000${tenant}\u0000`), imported]);
  const digest = pepperedDigest(peppers, [peppers.versions[0]!], name)!;
  return `key_${base62(digest.subarray(0, 16), 12)}`;
}
