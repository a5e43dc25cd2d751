/** What can be asked of keys. Ids in the path are not repeated in the body. */
import { z } from 'zod';
import { permissionSchema } from '../permissions.ts';
import {
  allowedIpsSchema,
  creditsSchema,
  DEFAULT_OVERLAP_SECONDS,
  instantSchema,
  keyEnvironmentSchema,
  keyIdSchema,
  keyModeSchema,
  keyUseSchema,
  MAX_OVERLAP_SECONDS,
  metadataValueSchema,
  namedLimitsSchema,
  nameSchema,
  ownerIdSchema,
  reasonSchema,
  scopesSchema,
} from '../values.ts';
import { MAX_KEY_CHARS } from './verify.ts';

export const MAX_BATCH_KEYS = 100;

const permissionsSchema = z.array(permissionSchema).max(50);

/** What every new key may say about itself; what is left out is empty. */
const newKeyFields = {
  /** Fixed at issue: a key never changes owner. */
  ownerId: ownerIdSchema.nullable().default(null),
  name: nameSchema.nullable().default(null),
  metadata: metadataValueSchema.nullable().default(null),
  scopes: scopesSchema.default([]),
  limits: namedLimitsSchema.default([]),
  credits: creditsSchema.nullable().default(null),
  expiresAt: instantSchema.nullable().default(null),
  notBefore: instantSchema.nullable().default(null),
  allowedIps: allowedIpsSchema.default([]),
};

/**
 * `api`: verified by the tenant's own services, with scopes, limits and credits. `management`: calls Plinth,
 * with permissions. `flags-server`, `flags-client`: read the flags of `environment`.
 */
export const issueKeySchema = z.strictObject({
  use: keyUseSchema.default('api'),
  environment: keyEnvironmentSchema.nullable().default(null),
  mode: keyModeSchema.default('live'),
  ...newKeyFields,
  permissions: permissionsSchema.default([]),
});
export type IssueKey = z.infer<typeof issueKeySchema>;

export const rotateKeySchema = z.strictObject({
  /** How long the secrets before the new one stay good; 0: they end at once. */
  overlapSeconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).default(DEFAULT_OVERLAP_SECONDS),
});
export type RotateKey = z.infer<typeof rotateKeySchema>;

const reason = reasonSchema.nullable().default(null);

export const revokeKeySchema = z.strictObject({ reason });
export type RevokeKey = z.infer<typeof revokeKeySchema>;

export const revokeKeysSchema = z.strictObject({
  keyIds: z
    .array(keyIdSchema)
    .min(1)
    .max(MAX_BATCH_KEYS)
    .refine((ids) => new Set(ids).size === ids.length, 'key ids must differ'),
  reason,
});
export type RevokeKeys = z.infer<typeof revokeKeysSchema>;

export const revokeOwnerKeysSchema = z.strictObject({ reason });
export type RevokeOwnerKeys = z.infer<typeof revokeOwnerKeysSchema>;

export const disableKeySchema = z.strictObject({ reason });
export type DisableKey = z.infer<typeof disableKeySchema>;

export const enableKeySchema = z.strictObject({ reason });
export type EnableKey = z.infer<typeof enableKeySchema>;

/** What is left out stays; null empties. */
export const updateKeySchema = z.strictObject({
  name: nameSchema.nullable().optional(),
  metadata: metadataValueSchema.nullable().optional(),
  scopes: scopesSchema.optional(),
  permissions: permissionsSchema.optional(),
  limits: namedLimitsSchema.optional(),
  expiresAt: instantSchema.nullable().optional(),
  notBefore: instantSchema.nullable().optional(),
  allowedIps: allowedIpsSchema.optional(),
});
export type UpdateKey = z.infer<typeof updateKeySchema>;

/** Sets the balance; null: the key needs no credits any more. Blocks leased before are void. */
export const setCreditsSchema = z.strictObject({ credits: creditsSchema.nullable() });
export type SetCredits = z.infer<typeof setCreditsSchema>;

/** SHA-256 of a key's whole text, as it was issued elsewhere. */
export const importedDigestSchema = z.strictObject({
  algorithm: z.literal('sha256'),
  value: z.union([
    z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal has 64 digits 0-9a-f'),
    z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'a SHA-256 in base64 has 43 characters and "="'),
    z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'a SHA-256 in base64url has 43 characters'),
  ]),
});
export type ImportedDigest = z.infer<typeof importedDigestSchema>;

/** Keys that were issued elsewhere; always of use `api`. */
export const importKeysSchema = z.strictObject({
  keys: z
    .array(
      z.strictObject({ digest: importedDigestSchema, mode: keyModeSchema.default('live'), ...newKeyFields }),
    )
    .min(1)
    .max(MAX_BATCH_KEYS),
});
export type ImportKeys = z.infer<typeof importKeysSchema>;
export type ImportKey = ImportKeys['keys'][number];

export const reportLeakSchema = z.strictObject({
  /** The whole text of the key that was found. */
  key: z.string().min(1).max(MAX_KEY_CHARS),
  /** Where it was found. */
  source: reasonSchema.nullable().default(null),
  /** Whether to revoke the key at once. */
  revoke: z.boolean().default(false),
});
export type ReportLeak = z.infer<typeof reportLeakSchema>;
