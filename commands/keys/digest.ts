/** What the log holds of a secret: HMAC-SHA-256 under one pepper or, after re-peppering, several, nested. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Peppers } from '../peppers.ts';
import { hmacSha256 } from './hmac-sha256.ts';

/** What is digested of a foreign key: SHA-256 of its whole text, which is all that was imported of it. */
export function importedDigestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/**
 * HMAC(last, … HMAC(first, input)), 32 bytes. Null when the keyring lacks one of the peppers.
 *
 * @param input the whole text of a key of our format, or the imported digest of a foreign one
 */
export function pepperedDigest(
  peppers: Peppers,
  versions: readonly number[],
  input: string | Uint8Array,
): Uint8Array | null {
  let digest = input;
  for (const version of versions) {
    const pepper = peppers.pepper(version);
    if (pepper === undefined) return null;
    digest = hmacSha256(pepper, digest);
  }
  return digest as Uint8Array;
}

/** Peppers that chains are tried of, the newest ones: 2^n − 1 digests for n of them. */
const MAX_PEPPERS_TRIED = 5;

/**
 * Every digest, base64url, that a foreign key may be stored under: it says nothing of the peppers, so all
 * ascending chains of them are tried, the newest single one first.
 */
export function foreignDigests(peppers: Peppers, text: string): readonly string[] {
  let chains: Uint8Array[] = [importedDigestOf(text)];
  for (const version of peppers.versions.slice(-MAX_PEPPERS_TRIED)) {
    const longer = chains.map((digest) => pepperedDigest(peppers, [version], digest)!);
    chains = [...chains, ...longer];
  }
  const newest = pepperedDigest(peppers, [peppers.current], importedDigestOf(text))!;
  return [
    ...new Set([newest, ...chains.slice(1)].map((digest) => Buffer.from(digest).toString('base64url'))),
  ];
}

/** In constant time. Lengths are public: all digests have 32 bytes. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
