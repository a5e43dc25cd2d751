/** Where a reader of flags is told to listen for changes. */
import type { Clock } from '../../commands/clock.ts';
import type { OfrepEventStream } from '../../schemas/views/ofrep.ts';
import type { FlagsReader } from './flags-use.ts';
import { streamToken, streamWindow } from './stream-token.ts';

export const EVENTS_PATH = '/ofrep/v1/events';

/** The streams that tell of changes. */
export interface ChangeStreams {
  /** The addresses of one window expire together: it is part of the entity tag of what carries them. */
  window(): number;
  of(reader: FlagsReader, window: number): readonly OfrepEventStream[];
}

/** `key`: at least 32 bytes that every API process shares. */
export function changeStreams(key: Uint8Array, clock: Clock): ChangeStreams {
  return {
    window: () => streamWindow(clock.now()),
    of: (reader, window) => [
      { type: 'sse', endpoint: { requestUri: `${EVENTS_PATH}?token=${streamToken(key, reader, window)}` } },
    ],
  };
}
