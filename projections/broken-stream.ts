/** An event that its stream's history does not allow: it fails the same way each time, so the stream parks. */
import type { DecodedEvent } from '../schemas/envelope.ts';

export class BrokenStream extends Error {
  override readonly name = 'BrokenStream';
  constructor(event: Pick<DecodedEvent, 'stream' | 'version' | 'type'>, why: string, options?: ErrorOptions) {
    super(`${event.stream} version ${event.version} (${event.type}): ${why}`, options);
  }
}
