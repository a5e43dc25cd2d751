/** A codec without personal data: JSON in, JSON out. For rules that are not about encryption. */
import type { Codec } from '../../commands/codec.ts';
import type { Decoded, NewEvent, Recorded } from '../../schemas/envelope.ts';

const text = new TextEncoder();
const bytes = new TextDecoder();

export const plainCodec: Codec = {
  async encode(events) {
    return events.map(
      (event): NewEvent => ({
        id: event.id,
        type: event.type,
        schemaVersion: 1,
        timeMs: event.timeMs,
        nonce: event.nonce,
        data: text.encode(JSON.stringify(event.data)),
        metadata: text.encode(JSON.stringify(event.metadata)),
      }),
    );
  },
  async decode(events) {
    return events.map(decodePlain);
  },
  decodePublic: (event) => ({ ...decodePlain(event), erased: null, lost: null }),
};

export function decodePlain(event: Recorded): Decoded {
  return {
    id: event.id,
    type: event.type,
    data: JSON.parse(bytes.decode(event.data)) as unknown,
    stream: event.stream,
    version: event.version,
    position: event.position,
    timeMs: event.timeMs,
    metadata: JSON.parse(bytes.decode(event.metadata)) as Decoded['metadata'],
    erased: [],
    lost: [],
  };
}
