/**
 * The text of a key: `plinth_<live|test>_<12 of the key id>_<43 base62 = 256 bits><6 checksum>`.
 *
 * The id inside names the key's stream, so that it is found without an index; the checksum (CRC-32 of id
 * and secret, base62, as GitHub's tokens carry one) tells a typing error from a wrong key at no cost, and
 * lets a scanner be sure. Fixed lengths and no look-around, for scanners that run on Hyperscan.
 */
import { crc32 } from 'node:zlib';
import type { KeyMode } from '../../schemas/values.ts';
import { base62 } from '../ids.ts';

export const VENDOR = 'plinth';
export const SECRET_BYTES = 32;
const ID_CHARS = 12;
/** ⌈256 / log2 62⌉. */
const SECRET_CHARS = 43;
const CHECKSUM_CHARS = 6;

/** For secret scanners: finds a key in any text. Check the checksum of what it finds with `parseKey`. */
export const SCANNER_PATTERN = 'plinth_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}';
const WHOLE = new RegExp(`^${SCANNER_PATTERN}$`);

/** `random`: exactly 32 bytes. Nothing else goes into the secret, so nothing can compute it again. */
export function mintKey(mode: KeyMode, keyId: string, random: Uint8Array): string {
  if (random.length !== SECRET_BYTES) throw new Error(`a secret has ${SECRET_BYTES} bytes`);
  const id = keyId.slice('key_'.length);
  const secret = base62(random, SECRET_CHARS);
  return `${VENDOR}_${mode}_${id}_${secret}${checksum(id + secret)}`;
}

export type ParsedKey =
  | { readonly kind: 'plinth'; readonly keyId: string; readonly mode: KeyMode }
  /** Our format, but mistyped or made up: no such key can exist. */
  | { readonly kind: 'bad-checksum' };

/** Null: not our format. */
export function parseKey(text: string): ParsedKey | null {
  // The length first: it is the cheapest way to tell most foreign keys.
  if (text.length !== VENDOR.length + 1 + 4 + 1 + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS) return null;
  if (!WHOLE.test(text)) return null;
  const id = text.slice(12, 24);
  const secret = text.slice(25, 68);
  if (checksum(id + secret) !== text.slice(68)) return { kind: 'bad-checksum' };
  return { kind: 'plinth', keyId: `key_${id}`, mode: text.startsWith('live', 7) ? 'live' : 'test' };
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** CRC-32 (IEEE) in base62, padded with `0` to six digits. */
export function checksum(text: string): string {
  let value = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_CHARS; i++) {
    digits = BASE62[value % 62] + digits;
    value = Math.floor(value / 62);
  }
  return digits;
}

/** The last four characters of the secret part: enough to tell keys apart, nothing to guess by. */
export function hintOf(text: string): string {
  return text.slice(-CHECKSUM_CHARS - 4, -CHECKSUM_CHARS);
}
