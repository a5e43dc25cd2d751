/**
 * One personal field as it lies in the log: ciphertext that only its data key opens, and a commitment
 * that proves what it said.
 *
 * The commitment is there because AES-GCM alone binds a ciphertext to no single key: one can be made
 * that opens under two. Its 32 random bytes lie inside the ciphertext alone, so that the commitment of a
 * field whose key is destroyed cannot even be guessed at.
 */
import { createCipheriv, createDecipheriv, hash, type KeyObject } from 'node:crypto';

export interface SealedField {
  readonly key: string;
  /** 12 bytes, base64url. */
  readonly nonce: string;
  /** AES-256-GCM of 32 random bytes and the value as JSON, then its 16-byte tag; base64url. */
  readonly ciphertext: string;
  /** SHA-256(label ‖ field path ‖ those 32 bytes ‖ the JSON), base64url. */
  readonly commitment: string;
}

/** What an auditor is handed to check one commitment without any key. */
export interface Opening {
  readonly field: string;
  /** 32 bytes. */
  readonly blind: Uint8Array;
  /** The value as JSON. */
  readonly plaintext: Uint8Array;
}

/** Which place in the log the ciphertext belongs to: moved to another, it does not open. */
export interface SealedPlace {
  readonly eventId: string;
  readonly type: string;
  readonly field: string;
}

const NONCE_BYTES = 12;
const BLIND_BYTES = 32;
const TAG_BYTES = 16;
/** Random bytes that sealing one field takes. */
export const SEAL_RANDOM_BYTES = NONCE_BYTES + BLIND_BYTES;

// A field path has no NUL (the codec refuses such a catalogue) and the blind has a fixed length, so no
// two different openings feed the hash the same bytes.
const COMMITMENT_LABEL = 'plinth/personal-commitment/v1\u0000';
const CIPHER_LABEL = 'plinth/personal-field/v1\u0000';
// Said aloud, so that a truncated tag is refused.
const GCM = { authTagLength: TAG_BYTES } as const;

/** Label, field path and room for the content, in the one buffer that the commitment hashes. */
function openingOf(field: string, contentBytes: number): { opening: Buffer; content: Buffer } {
  const label = `${COMMITMENT_LABEL}${field}\u0000`;
  const labelBytes = Buffer.byteLength(label);
  const opening = Buffer.allocUnsafe(labelBytes + contentBytes);
  opening.write(label);
  return { opening, content: opening.subarray(labelBytes) };
}

function commitmentOf(field: string, ...parts: readonly Uint8Array[]): string {
  const { opening, content } = openingOf(
    field,
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    content.set(part, at);
    at += part.length;
  }
  return hash('sha256', opening, 'base64url');
}

function aad(place: SealedPlace): Buffer {
  return Buffer.from(`${CIPHER_LABEL}${place.eventId}\u0000${place.type}\u0000${place.field}`);
}

/** `plaintext`: the value as JSON. `random`: `SEAL_RANDOM_BYTES` bytes used for nothing else. */
export function sealField(
  place: SealedPlace,
  keyId: string,
  key: KeyObject,
  plaintext: string,
  random: Uint8Array,
): SealedField {
  if (random.length !== SEAL_RANDOM_BYTES) throw new Error(`sealing takes ${SEAL_RANDOM_BYTES} random bytes`);
  const nonce = Buffer.from(random.buffer, random.byteOffset, NONCE_BYTES);
  const { opening, content } = openingOf(place.field, BLIND_BYTES + Buffer.byteLength(plaintext));
  content.set(random.subarray(NONCE_BYTES));
  content.write(plaintext, BLIND_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, GCM);
  cipher.setAAD(aad(place));
  const encrypted = cipher.update(content);
  // GCM has no last block: it makes the tag alone.
  cipher.final();
  return {
    key: keyId,
    nonce: nonce.toString('base64url'),
    ciphertext: Buffer.concat([encrypted, cipher.getAuthTag()]).toString('base64url'),
    commitment: hash('sha256', opening, 'base64url'),
  };
}

/** 32 random bytes and the plaintext, or null where key, place, ciphertext and commitment don't belong together. */
function openContent(place: SealedPlace, key: KeyObject, sealed: SealedField): Buffer | null {
  const nonce = Buffer.from(sealed.nonce, 'base64url');
  const bytes = Buffer.from(sealed.ciphertext, 'base64url');
  if (nonce.length !== NONCE_BYTES || bytes.length < BLIND_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, GCM);
  decipher.setAAD(aad(place));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  const content = decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return commitmentOf(place.field, content) === sealed.commitment ? content : null;
}

/** The value as JSON, or null as `openContent` says. */
export function unsealField(place: SealedPlace, key: KeyObject, sealed: SealedField): string | null {
  const content = openContent(place, key, sealed);
  return content === null ? null : content.toString('utf8', BLIND_BYTES);
}

/** Opens a field to an auditor: what he needs to check its commitment, and nothing that opens another. */
export function openCommitment(place: SealedPlace, key: KeyObject, sealed: SealedField): Opening | null {
  const content = openContent(place, key, sealed);
  if (!content) return null;
  return {
    field: place.field,
    blind: content.subarray(0, BLIND_BYTES),
    plaintext: content.subarray(BLIND_BYTES),
  };
}

/** Whether this is what the field said when it was written. Needs no key and no key store. */
export function verifyCommitment(commitment: string, opening: Opening): boolean {
  if (opening.blind.length !== BLIND_BYTES) return false;
  return commitmentOf(opening.field, opening.blind, opening.plaintext) === commitment;
}

/** Whether a value from the log has the shape of a sealed field. */
export function isSealedField(value: unknown): value is SealedField {
  if (typeof value !== 'object' || value === null) return false;
  const sealed = value as Record<string, unknown>;
  return (
    typeof sealed.key === 'string' &&
    typeof sealed.nonce === 'string' &&
    typeof sealed.ciphertext === 'string' &&
    typeof sealed.commitment === 'string'
  );
}
