/** What a verify answers. Never the secret, and nothing that is personal. */
import { z } from 'zod';
import { MAX_BATCH_VERIFIES } from '../commands/verify.ts';
import { type ErrorCode, errorCatalogue } from '../errors.ts';
import { keyIdSchema, keyModeSchema, keyUseSchema, limitNameSchema, ownerIdSchema } from '../values.ts';
import { verifyCodeSchema } from '../verify-codes.ts';

export const limitViewSchema = z.strictObject({
  name: limitNameSchema,
  limit: z.int(),
  /** Length of the window, in seconds. */
  windowSeconds: z.int(),
  /** Units that could be spent at once now. */
  remaining: z.int(),
  /** Whole seconds until all units are back. */
  resetSeconds: z.int(),
});
export type LimitView = z.infer<typeof limitViewSchema>;

export const verifyViewSchema = z.strictObject({
  valid: z.boolean(),
  code: verifyCodeSchema,
  /** The key's identity; null where the answer must not tell whether there is such a key. */
  keyId: keyIdSchema.nullable(),
  ownerId: ownerIdSchema.nullable(),
  use: keyUseSchema.nullable(),
  mode: keyModeSchema.nullable(),
  scopes: z.array(z.string()),
  /** The limits that were judged. */
  limits: z.array(limitViewSchema),
  /** Null: the key has no credits. Approximate while several processes hold leased blocks. */
  credits: z.strictObject({ remaining: z.int() }).nullable(),
  /** `<epoch>.<position>` of the facts that it was judged on. */
  position: z.string(),
  /** When trying again may help (RATE_LIMITED, NOT_YET_VALID, USAGE_EXCEEDED with refill). */
  retryAfterSeconds: z.int().nullable(),
});
export type VerifyView = z.infer<typeof verifyViewSchema>;

/** One of a batch that could not be judged: the others stand. */
export const verifyFaultSchema = z.strictObject({
  error: z.strictObject({
    code: z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]]),
    detail: z.string(),
    retryAfterSeconds: z.int().nullable(),
  }),
});
export type VerifyFault = z.infer<typeof verifyFaultSchema>;

export const verifyBatchViewSchema = z.strictObject({
  /** In the order of the request. */
  results: z.array(z.union([verifyViewSchema, verifyFaultSchema])).max(MAX_BATCH_VERIFIES),
});
export type VerifyBatchView = z.infer<typeof verifyBatchViewSchema>;
