/** A codec that cannot read what a test has spoiled. */
import { type Codec, UndecodableEvent } from '../../commands/codec.ts';
import type { Recorded } from '../../schemas/envelope.ts';

export function spoiledCodec(codec: Codec, isSpoiled: (event: Recorded) => boolean): Codec {
  const refuse = (event: Recorded) => {
    if (isSpoiled(event)) throw new UndecodableEvent(event, 'spoiled');
  };
  return {
    ...codec,
    async decode(events) {
      events.forEach(refuse);
      return codec.decode(events);
    },
    decodePublic(event) {
      refuse(event);
      return codec.decodePublic(event);
    },
  };
}
