/**
 * The codec: events as JSON, their personal fields sealed under the data key of the subject that the
 * schema names, else of the tenant.
 *
 * Bytes are written once and never made again: what the log returns is what was appended. Sealed fields
 * are listed in the data itself (`$personal`), so that reading an old version needs no old schema.
 */
import type { EventDefinition } from '../schemas/events/definition.ts';
import type { Codec } from './codec.ts';
import { type DecodeDeps, decodeEvents, decodePublicEvent } from './decode-events.ts';
import { type EncodeDeps, encodeEvents } from './encode-events.ts';
import { compileEventTypes } from './event-types.ts';

export interface PersonalCodecDeps extends EncodeDeps, DecodeDeps {
  readonly catalogue: ReadonlyMap<string, EventDefinition>;
}

/** Throws for a catalogue that it cannot keep: a personal field inside another, say. */
export function personalCodec(deps: PersonalCodecDeps): Codec {
  const types = compileEventTypes(deps.catalogue);
  return {
    encode: (events) => encodeEvents(deps, types, events),
    decode: (events) => decodeEvents(deps, types, events),
    decodePublic: (event) => decodePublicEvent(types, event),
  };
}
