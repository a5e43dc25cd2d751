/**
 * The body of an event: all that EventStoreDB has no exact place for. It parses and rewrites JSON, and its
 * time is the server's; bytes it leaves alone. Layout: format (1 byte) ‖ schema version (u32) ‖ time in ms
 * (f64, exact to 2^53) ‖ nonce, data and metadata, each behind its length (u32). Big endian.
 */
import type { NewEvent } from '../../../schemas/envelope.ts';

const FORMAT = 1;
const FIXED_BYTES = 1 + 4 + 8;

export type Body = Pick<NewEvent, 'schemaVersion' | 'timeMs' | 'nonce' | 'data' | 'metadata'>;

export function encodeBody({ schemaVersion, timeMs, nonce, data, metadata }: Body): Uint8Array {
  const parts = [nonce, data, metadata];
  const bytes = Buffer.allocUnsafe(FIXED_BYTES + parts.reduce((sum, part) => sum + 4 + part.length, 0));
  bytes.writeUInt8(FORMAT, 0);
  bytes.writeUInt32BE(schemaVersion, 1);
  bytes.writeDoubleBE(timeMs, 5);
  let at = FIXED_BYTES;
  for (const part of parts) {
    bytes.writeUInt32BE(part.length, at);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** Throws for what this platform has not written. */
export function decodeBody(body: Uint8Array, where: string): Body {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length < FIXED_BYTES || bytes[0] !== FORMAT) throw foreign(where);
  let at = FIXED_BYTES;
  const next = (): Uint8Array => {
    if (at + 4 > bytes.length) throw foreign(where);
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw foreign(where);
    const part = bytes.subarray(at + 4, end);
    at = end;
    return part;
  };
  const [nonce, data, metadata] = [next(), next(), next()];
  return { schemaVersion: bytes.readUInt32BE(1), timeMs: bytes.readDoubleBE(5), nonce, data, metadata };
}

function foreign(where: string): Error {
  return new Error(`${where} was not written by this platform: an event log of ours holds nothing else`);
}
