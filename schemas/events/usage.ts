import { z } from 'zod';
import { instantSchema, keyIdSchema } from '../values.ts';
import { verifyCodeSchema } from '../verify-codes.ts';
import { defineEvent, type EventOf, type PublicOf } from './definition.ts';

export const MAX_USAGE_COUNTS = 500;
export const MAX_USAGE_DECISIONS = 100;

export const usageEvents = {
  'usage.recorded': defineEvent(
    1,
    z
      .strictObject({
        /** One life of one process. */
        writer: z.string(),
        /** The minute that the counts belong to. */
        minute: instantSchema,
        counts: z
          .array(
            z.strictObject({
              keyId: keyIdSchema,
              code: verifyCodeSchema,
              route: z.string(),
              count: z.int().min(1),
              lastAt: instantSchema,
            }),
          )
          .max(MAX_USAGE_COUNTS),
        /** Every denial and a stated sample of the rest. */
        decisions: z
          .array(
            z.strictObject({
              at: instantSchema,
              keyId: keyIdSchema,
              code: verifyCodeSchema,
              route: z.string(),
              traceId: z.string().nullable(),
            }),
          )
          .max(MAX_USAGE_DECISIONS),
        /** Counted but not told one by one, or dropped while the log was away. */
        decisionsDropped: z.int().min(0),
      })
      .describe('What one process decided since its last batch, at most once a second.'),
  ),
};
export type UsageEvent = EventOf<typeof usageEvents>;
export type PublicUsageEvent = PublicOf<typeof usageEvents>;
