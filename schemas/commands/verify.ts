/** What a caller asks of a verify: is this key good for this, now? */
import { z } from 'zod';
import { asOfSchema, keyIdSchema, limitNameSchema, MAX_LIMITS, MAX_SCOPES, scopeSchema } from '../values.ts';

/** Longer than any key of ours and than most foreign ones. */
export const MAX_KEY_CHARS = 512;
export const MAX_BATCH_VERIFIES = 100;
export const MAX_COST = 1_000_000;
/** A request id spends once within this time. */
export const REQUEST_ID_SECONDS = 60;

const scopeList = z.array(scopeSchema).min(1).max(MAX_SCOPES);

/**
 * An AND/OR query over scopes, two levels deep: one scope, a list (all of them), `{all: […]}` whose
 * members may be `{any: […]}`, or `{any: […]}` whose members may be `{all: […]}`.
 */
export const scopeQuerySchema = z.union([
  scopeSchema,
  z.array(scopeSchema).max(MAX_SCOPES),
  z.strictObject({
    all: z
      .array(z.union([scopeSchema, z.strictObject({ any: scopeList })]))
      .min(1)
      .max(MAX_SCOPES),
  }),
  z.strictObject({
    any: z
      .array(z.union([scopeSchema, z.strictObject({ all: scopeList })]))
      .min(1)
      .max(MAX_SCOPES),
  }),
]);
export type ScopeQuery = z.infer<typeof scopeQuerySchema>;

const costSchema = z.int().min(0).max(MAX_COST);

/** Spends `cost` units (default 1) of the key's limit of that name; cost 0 only looks. */
export const limitRequestSchema = z.strictObject({ name: limitNameSchema, cost: costSchema.optional() });
export type LimitRequest = z.infer<typeof limitRequestSchema>;

const ipSchema = z.union([z.ipv4(), z.ipv6()]);

export const verifyKeySchema = z.strictObject({
  /** The whole text of the key, as the caller's caller sent it. */
  key: z.string().min(1).max(MAX_KEY_CHARS),
  scopes: scopeQuerySchema.optional(),
  /** Left out: all of the key's limits at cost 1. Empty: none. */
  limits: z
    .array(limitRequestSchema)
    .max(MAX_LIMITS)
    .refine((limits) => new Set(limits.map((l) => l.name)).size === limits.length, 'limit names must differ')
    .optional(),
  /** Credits that a valid answer spends (default 1), where the key has credits. */
  credits: z.strictObject({ cost: costSchema }).optional(),
  /** Address of the one who presented the key; needed where the key is limited to addresses. */
  ip: ipSchema.optional(),
  /** Repeat it only to retry: within 60 s one id spends limits and credits once. */
  requestId: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'a request id is 1 to 128 of letters, digits and ". _ : -"')
    .optional(),
});
export type VerifyKey = z.infer<typeof verifyKeySchema>;

/** Explains what the answer was at a time or a position; by key id, so no secret is needed. */
export const explainVerifySchema = z.strictObject({
  keyId: keyIdSchema,
  /** RFC 3339, or a position token as answers carry it. */
  asOf: asOfSchema,
  scopes: scopeQuerySchema.optional(),
  ip: ipSchema.optional(),
});
export type ExplainVerify = z.infer<typeof explainVerifySchema>;

/** Body of `POST /v1/keys/verify`. */
export const verifyRequestSchema = z.union([verifyKeySchema, explainVerifySchema]);
export type VerifyRequest = z.infer<typeof verifyRequestSchema>;

/** Body of the batch: each is judged alone, in the order given. */
export const verifyBatchSchema = z.strictObject({
  verifies: z.array(verifyKeySchema).min(1).max(MAX_BATCH_VERIFIES),
});
export type VerifyBatch = z.infer<typeof verifyBatchSchema>;
