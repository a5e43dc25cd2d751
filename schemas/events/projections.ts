import { z } from 'zod';
import { type DecodedOf, defineEvent, type EventOf } from './definition.ts';

/** Written on a parked stream itself; evolve ignores them, the runner of the named projection obeys. */
export const projectionEvents = {
  'projection.replay-requested': defineEvent(1, z.strictObject({ projection: z.string() })),
  'projection.discard-requested': defineEvent(1, z.strictObject({ projection: z.string() })),
};
export type ProjectionEvent = EventOf<typeof projectionEvents>;
export type DecodedProjectionEvent = DecodedOf<typeof projectionEvents>;
