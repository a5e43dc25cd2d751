/**
 * What opens a stream of changes: an event source sends no headers, so its address carries a token, which
 * evaluation hands out. It names who may read what and expires with a window that all tokens of its time
 * share: whoever asks within one window with one key gets one address, and the number of the window is part
 * of what tells an answer from an older one.
 *
 * Layout, base64url: HMAC-SHA-256 (32 bytes) ‖ JSON [window, use, key id, stream].
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { StreamId } from '../../schemas/envelope.ts';
import type { FlagsReader, FlagsUse } from './flags-use.ts';

/** A token is good for the rest of its window and the whole of the next: 15 to 30 minutes. */
const WINDOW_MS = 15 * 60_000;
const MAC_BYTES = 32;
/** Longer texts are not ours. */
const MAX_TOKEN_CHARS = 512;

/** A reader whose token is good until `expiresMs`. */
export interface StreamGrant extends FlagsReader {
  readonly expiresMs: number;
}

/** Counts up. */
export function streamWindow(nowMs: number): number {
  return Math.floor(nowMs / WINDOW_MS);
}

/** `key`: at least 32 bytes that every API process shares. */
export function streamToken(key: Uint8Array, { stream, use, keyId }: FlagsReader, window: number): string {
  const body = Buffer.from(JSON.stringify([window, use, keyId, stream]));
  return Buffer.concat([macOf(key, body), body]).toString('base64url');
}

/** Null: not one of ours, or expired. */
export function openStreamToken(key: Uint8Array, token: string, nowMs: number): StreamGrant | null {
  const bytes = token.length <= MAX_TOKEN_CHARS ? Buffer.from(token, 'base64url') : Buffer.alloc(0);
  // Node skips what is not base64url and unused bits: only the very text that we made is ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== token) return null;
  const body = bytes.subarray(MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(key, body))) return null;
  const [window, use, keyId, stream] = JSON.parse(body.toString()) as [number, FlagsUse, string, StreamId];
  const expiresMs = (window + 2) * WINDOW_MS;
  return nowMs < expiresMs ? { stream, use, keyId, expiresMs } : null;
}

function macOf(key: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update('flag stream\u0000').update(body).digest();
}
