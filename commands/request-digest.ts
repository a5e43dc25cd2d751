import { createHmac } from 'node:crypto';
import type { Secret } from '../schemas/secret.ts';

/**
 * Keyed digest of a request's body, base64url (43 characters): tells whether a retry carries the same
 * body, and nothing about the body to whoever reads the log. `key`: the keyring's `request-digest` key.
 */
export function requestDigest(key: Secret<Uint8Array>, body: Uint8Array): string {
  return createHmac('sha256', key.reveal()).update(body).digest('base64url');
}
