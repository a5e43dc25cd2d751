/** Ids that are computed, so that a retry computes the same one. */
import { createHash } from 'node:crypto';
import type { CommandId, EventId, StreamId, TenantId } from '../schemas/envelope.ts';

/** The namespace of every UUIDv5 of the house; never changes. */
const NAMESPACE = Buffer.from('8d2f1f0c5b7e4e0e9a3c6b1d2e4f7a90', 'hex');

/** RFC 9562 §5.5 over the parts, joined by a byte that no part contains. */
export function uuidv5(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha1').update(NAMESPACE);
  for (const part of parts) hash.update(part).update('\u0000');
  const bytes = hash.digest();
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

export function base62(bytes: Uint8Array, length: number): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < length; i++) {
    text = BASE62[Number(value % 62n)] + text;
    value /= 62n;
  }
  return text;
}

/** `key_` and 12 base62 digits (71 bits) of the command that issued it. */
export function keyIdOf(commandId: CommandId): string {
  return `key_${base62(createHash('sha256').update(`key\u0000${commandId}`).digest().subarray(0, 16), 12)}`;
}
