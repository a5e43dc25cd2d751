/** Data keys under the master key: AES-256-GCM, bound to the tenant, the subject and the key's id. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { Random } from '../../commands/clock.ts';
import type { MasterKey } from './keyring.ts';

/** Whose key it is. A wrapped key that was moved to another row does not unwrap. */
export interface KeyPlace {
  readonly tenant: string;
  /** Null: of the tenant itself. */
  readonly subject: string | null;
  readonly keyId: string;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const GCM = { authTagLength: TAG_BYTES } as const;

function aad({ tenant, subject, keyId }: KeyPlace): Buffer {
  return Buffer.from(`plinth/data-key/v1${JSON.stringify([tenant, subject, keyId])}`);
}

/** A new data key, wrapped: nonce ‖ ciphertext ‖ tag. */
export function mintWrapped(master: MasterKey, place: KeyPlace, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', master.key, nonce, GCM);
  cipher.setAAD(aad(place));
  const wrapped = cipher.update(random.bytes(KEY_BYTES));
  return Buffer.concat([nonce, wrapped, cipher.final(), cipher.getAuthTag()]);
}

/** Null where master key, place and bytes don't belong together. */
export function unwrap(master: MasterKey, place: KeyPlace, wrapped: Uint8Array): KeyObject | null {
  if (wrapped.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', master.key, wrapped.subarray(0, NONCE_BYTES), GCM);
  decipher.setAAD(aad(place));
  decipher.setAuthTag(wrapped.subarray(NONCE_BYTES + KEY_BYTES));
  const key = decipher.update(wrapped.subarray(NONCE_BYTES, NONCE_BYTES + KEY_BYTES));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return createSecretKey(key);
}
