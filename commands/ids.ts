/** Ids that are computed, so that a retry computes the same one. */
import { hash } from 'node:crypto';
import type { CommandId, EventId, StreamId, TenantId } from '../schemas/envelope.ts';

/** The namespace of every UUIDv5 of the house; never changes. */
const NAMESPACE = Buffer.from('8d2f1f0c5b7e4e0e9a3c6b1d2e4f7a90', 'hex');
const SEPARATOR = Uint8Array.of(0);

/** RFC 9562 §5.5 over the parts, joined by a byte that no part contains. */
export function uuidv5(...parts: readonly (string | Uint8Array)[]): string {
  const named: Uint8Array[] = [NAMESPACE];
  for (const part of parts) named.push(typeof part === 'string' ? Buffer.from(part) : part, SEPARATOR);
  // In one call: a third of what an object with updates costs.
  const bytes = hash('sha1', Buffer.concat(named), 'buffer');
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function eventIdOf(commandId: CommandId, stream: StreamId, index: number, nonce: Uint8Array): EventId {
  return uuidv5(commandId, stream, String(index), Buffer.from(nonce).toString('hex')) as EventId;
}

/** The same principal, operation, target and idempotency key: the same command. */
export function commandIdOf(
  tenant: string,
  principal: string,
  operation: string,
  target: string,
  key: string,
): CommandId {
  return uuidv5('command', tenant, principal, operation, target, key) as CommandId;
}

/** A slug is unique because the stream made from it is. */
export function tenantIdOf(slug: string): TenantId {
  return `tnt_${uuidv5('tenant', slug).replaceAll('-', '')}` as TenantId;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Five digits at a time: 62^5 · 2^16 is exact in a number, and big integers take five times as long. */
const FIVE_DIGITS = 62 ** 5;

/** The last `length` digits of the bytes read as one number, the first byte highest. */
export function base62(bytes: Uint8Array, length: number): string {
  const limbs: number[] = [];
  if (bytes.length % 2 === 1) limbs.push(bytes[0]!);
  for (let i = bytes.length % 2; i < bytes.length; i += 2) limbs.push((bytes[i]! << 8) | bytes[i + 1]!);
  let text = '';
  while (text.length < length) {
    let five = 0;
    for (let i = 0; i < limbs.length; i++) {
      const value = five * 65_536 + limbs[i]!;
      limbs[i] = Math.floor(value / FIVE_DIGITS);
      five = value % FIVE_DIGITS;
    }
    for (let i = 0; i < 5 && text.length < length; i++) {
      text = BASE62[five % 62] + text;
      five = Math.floor(five / 62);
    }
  }
  return text;
}

/** `key_` and 12 base62 digits (71 bits) of the command that issued it. */
export function keyIdOf(commandId: CommandId): string {
  return `key_${base62(hash('sha256', `key\u0000${commandId}`, 'buffer').subarray(0, 16), 12)}`;
}
