/** The port between events as the domains know them and events as the log stores them. */
import type { Decoded, EventId, Metadata, NewEvent, PublicDecoded, Recorded } from '../schemas/envelope.ts';

export interface EventToEncode {
  readonly id: EventId;
  readonly type: string;
  readonly data: unknown;
  readonly timeMs: number;
  readonly nonce: Uint8Array;
  readonly metadata: Metadata;
}

export interface Codec {
  /**
   * Checks data against the current schema of its type, encrypts personal fields under the active data
   * key of their subject (created before it answers), and serialises.
   */
  encode(events: readonly EventToEncode[]): Promise<readonly NewEvent[]>;
  /**
   * Upcasts, checks and decrypts. Throws `UnknownEventType`, `NewerSchemaVersion` or `UndecodableEvent`,
   * each naming the event.
   */
  decode(events: readonly Recorded[]): Promise<readonly Decoded[]>;
  /**
   * The same with nothing opened: personal fields read as null, whether or not they could be read, and
   * the key store is not asked. For all that verify trusts.
   */
  decodePublic(event: Recorded): PublicDecoded;
}

export class UndecodableEvent extends Error {
  override readonly name: string = 'UndecodableEvent';
  readonly event: Pick<Recorded, 'id' | 'type' | 'stream' | 'version' | 'position'>;
  constructor(event: UndecodableEvent['event'], message: string, options?: ErrorOptions) {
    super(`event ${event.id} (${event.type}, ${event.stream} version ${event.version}): ${message}`, options);
    this.event = event;
  }
}
export class UnknownEventType extends UndecodableEvent {
  override readonly name = 'UnknownEventType';
}
/** Written by a newer release: whoever uses this type waits for an upgrade. */
export class NewerSchemaVersion extends UndecodableEvent {
  override readonly name = 'NewerSchemaVersion';
}
