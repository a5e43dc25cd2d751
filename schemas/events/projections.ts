import { z } from 'zod';
import { type DecodedOf, defineEvent, type EventOf } from './definition.ts';

/** Written on a parked stream itself; evolve ignores them, the runner of the named projection obeys. */
export const projectionEvents = {
  'projection.replay-requested': defineEvent(
    1,
    z
      .strictObject({ projection: z.string() })
      .describe('An operator has the named projection try again what it parked of this stream.'),
  ),
  /**
   * Drops one event and replays those behind it. `version` is the one that the stream is parked at: were
   * it not named, a discard that met another failure than its author saw would drop that one instead.
   */
  'projection.discard-requested': defineEvent(
    1,
    z
      .strictObject({ projection: z.string(), version: z.int().min(1) })
      .describe('An operator has the named projection go on without one event of this stream.'),
  ),
};
export type ProjectionEvent = EventOf<typeof projectionEvents>;
export type DecodedProjectionEvent = DecodedOf<typeof projectionEvents>;
