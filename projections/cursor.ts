/**
 * Page cursors: opaque, signed, and good only for the history and the filters that they were made for.
 * Layout, base64url: MAC (16 bytes) ‖ JSON {e: epoch, a: after, f: digest of the filters}.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Epoch, Position } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';

const MAC_BYTES = 16;
/** Longer texts are not ours. */
const MAX_CURSOR_CHARS = 512;

/** What a cursor belongs to: `list` names the query, `filters` are its filters as they were asked. */
export interface CursorScope {
  readonly epoch: Epoch;
  readonly tenant: string;
  readonly list: string;
  readonly filters: Readonly<Record<string, unknown>>;
}

/** `key`: at least 32 bytes that every API process shares. */
export function encodeCursor(key: Uint8Array, scope: CursorScope, after: Position): string {
  const body = Buffer.from(JSON.stringify({ e: scope.epoch, a: after, f: digestOf(scope) }));
  return Buffer.concat([macOf(key, body), body]).toString('base64url');
}

/** Throws `invalid_cursor` for anything but a cursor of ours for this list, `epoch_gone` for another history. */
export function decodeCursor(key: Uint8Array, scope: CursorScope, cursor: string): Position {
  const bytes = cursor.length <= MAX_CURSOR_CHARS ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0);
  // Node skips what is not base64url and unused bits: only the very text that we made is ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor)
    throw invalid('it is not one of ours');
  const body = bytes.subarray(MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(key, body)))
    throw invalid('it is not one of ours');
  const { e, a, f } = JSON.parse(body.toString()) as { e: string; a: string; f: string };
  if (f !== digestOf(scope)) throw invalid('it was made for another list or other filters');
  if (e !== scope.epoch) throw new PlinthError('epoch_gone', 'the cursor belongs to a history that is gone');
  return a as Position;
}

function invalid(why: string): PlinthError {
  return new PlinthError('invalid_cursor', `the cursor cannot be used: ${why}`, {
    errors: [{ field: 'query.cursor', message: why }],
  });
}

function macOf(key: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update('cursor\u0000').update(body).digest().subarray(0, MAC_BYTES);
}

/** Filters left out and filters undefined are the same; the order in which they are named does not matter. */
function digestOf(scope: CursorScope): string {
  const filters = Object.entries(scope.filters)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([scope.tenant, scope.list, filters]))
    .digest('base64url')
    .slice(0, 22);
}
