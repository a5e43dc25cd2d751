/**
 * What OFREP 0.3.0 answers, as it is meant: the schema that is published for it takes no answer that has a
 * value (its `oneOf` holds a branch that takes anything), no reason DEFAULT, and no FLAG_NOT_FOUND in a list.
 */
import { z } from 'zod';

export const ofrepReasonSchema = z.enum(['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'DISABLED']);
/** TYPE_MISMATCH is found by clients, which alone know the type that they want. */
export const ofrepErrorCodeSchema = z.enum([
  'FLAG_NOT_FOUND',
  'PARSE_ERROR',
  'TARGETING_KEY_MISSING',
  'INVALID_CONTEXT',
  'GENERAL',
]);
export type OfrepErrorCode = z.infer<typeof ofrepErrorCodeSchema>;

export const ofrepEvaluationSchema = z.strictObject({
  key: z.string(),
  /** Absent: the default in the code counts. */
  value: z.json().optional(),
  reason: ofrepReasonSchema,
  variant: z.string().optional(),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type OfrepEvaluation = z.infer<typeof ofrepEvaluationSchema>;

export const ofrepFailureSchema = z.strictObject({
  key: z.string(),
  errorCode: ofrepErrorCodeSchema,
  errorDetails: z.string().optional(),
});
export type OfrepFailure = z.infer<typeof ofrepFailureSchema>;

/** Of a list as a whole. */
export const ofrepBulkFailureSchema = z.strictObject({
  errorCode: ofrepErrorCodeSchema,
  errorDetails: z.string().optional(),
});

export const ofrepErrorSchema = z.strictObject({ errorDetails: z.string() });

/** Where changes are told: notices only, after which the client asks again. */
export const ofrepEventStreamSchema = z.strictObject({
  type: z.literal('sse'),
  endpoint: z.strictObject({ origin: z.string().optional(), requestUri: z.string() }),
  /** Seconds that an app may be in the background before its client closes the stream. */
  inactivityDelaySec: z.int().min(1).optional(),
});
export type OfrepEventStream = z.infer<typeof ofrepEventStreamSchema>;

export const ofrepBulkSchema = z.strictObject({
  flags: z.array(z.union([ofrepEvaluationSchema, ofrepFailureSchema])),
  eventStreams: z.array(ofrepEventStreamSchema).optional(),
});
