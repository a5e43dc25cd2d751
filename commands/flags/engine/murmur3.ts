/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain) over the UTF-8 bytes of a string. The usual
 * implementations for JavaScript hash UTF-16 units, and put half of all users with a letter outside ASCII
 * into another bucket than every other language does.
 */

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;
const encoder = new TextEncoder();

/** What is known once a first part of the input has been hashed. */
export interface HashPrefix {
  readonly text: string;
  /** Null: it holds something outside ASCII, and must be hashed as bytes. */
  readonly ascii: { readonly hash: number; readonly block: number; readonly length: number } | null;
}

/** Hashes what stays the same for everybody once. */
export function hashPrefix(text: string): HashPrefix {
  let hash = 0;
  let block = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return { text, ascii: null };
    block |= code << ((i & 3) << 3);
    if ((i & 3) === 3) {
      hash = mixIn(hash, block);
      block = 0;
    }
  }
  return { text, ascii: { hash, block, length: text.length } };
}

/** An unsigned 32-bit number: the hash, with seed 0, of the prefix and the text together. */
export function murmur3(text: string, prefix: HashPrefix = NO_PREFIX): number {
  if (prefix.ascii === null) return murmur3Bytes(encoder.encode(prefix.text + text));
  let { hash, block, length } = prefix.ascii;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return murmur3Bytes(encoder.encode(prefix.text + text));
    const shift = (length & 3) << 3;
    block |= code << shift;
    length += 1;
    if (shift === 24) {
      hash = mixIn(hash, block);
      block = 0;
    }
  }
  return finish(hash, block, length);
}

function murmur3Bytes(bytes: Uint8Array): number {
  let hash = 0;
  let block = 0;
  for (let i = 0; i < bytes.length; i++) {
    block |= bytes[i]! << ((i & 3) << 3);
    if ((i & 3) === 3) {
      hash = mixIn(hash, block);
      block = 0;
    }
  }
  return finish(hash, block, bytes.length);
}

function scramble(block: number): number {
  const k = Math.imul(block, C1);
  return Math.imul((k << 15) | (k >>> 17), C2);
}

function mixIn(hash: number, block: number): number {
  const h = hash ^ scramble(block);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** `block` holds the bytes that fill no whole block: of none it is 0, which changes nothing. */
function finish(hash: number, block: number, length: number): number {
  let h = hash ^ scramble(block) ^ length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const NO_PREFIX: HashPrefix = hashPrefix('');
