/** What is told about keys. Never a secret, except once, when it is issued or rotated. */
import { z } from 'zod';
import { type ErrorCode, errorCatalogue } from '../errors.ts';
import {
  allowedIpsSchema,
  creditsSchema,
  instantSchema,
  keyEnvironmentSchema,
  keyIdSchema,
  keyModeSchema,
  keyUseSchema,
  namedLimitsSchema,
  ownerIdSchema,
  scopesSchema,
} from '../values.ts';
import { verifyCodeSchema } from '../verify-codes.ts';
import { type ChangeEntry, changeEntrySchema } from './changes.ts';

/** In the order in which they hide each other, as verify judges them. */
export const keyStatuses = ['revoked', 'disabled', 'not_yet_valid', 'expired', 'active'] as const;
export const keyStatusSchema = z.enum(keyStatuses);
export type KeyStatus = z.infer<typeof keyStatusSchema>;

export const keyViewSchema = z.strictObject({
  id: keyIdSchema,
  /** Version of the key's stream; its ETag is this number in quotes. */
  version: z.int(),
  status: keyStatusSchema,
  use: keyUseSchema,
  /** Of a flags key: whose flags it reads. */
  environment: keyEnvironmentSchema.nullable(),
  mode: keyModeSchema,
  /** `foreign`: imported by its digest. */
  format: z.enum(['plinth', 'foreign']),
  ownerId: ownerIdSchema.nullable(),
  /** Null when there is none, or when the person was erased. So is `metadata`. */
  name: z.string().nullable(),
  metadata: z.record(z.string(), z.json()).nullable(),
  scopes: scopesSchema,
  permissions: z.array(z.string()),
  limits: namedLimitsSchema,
  /** `remaining` leaves out what processes have leased and not yet spent. */
  credits: creditsSchema.nullable(),
  expiresAt: instantSchema.nullable(),
  notBefore: instantSchema.nullable(),
  allowedIps: allowedIpsSchema,
  disabled: z.boolean(),
  revokedAt: instantSchema.nullable(),
  /** `owner`: all keys of its owner were revoked. */
  revokedCause: z.enum(['request', 'owner', 'leak']).nullable(),
  leakReportedAt: instantSchema.nullable(),
  /** Oldest first; the last one is current, those before it end with their overlap. */
  secrets: z.array(
    z.strictObject({
      /** Its last four characters; null for an imported one. */
      hint: z.string().nullable(),
      createdAt: instantSchema,
      validUntil: instantSchema.nullable(),
    }),
  ),
  createdAt: instantSchema,
  createdBy: z.string(),
  updatedAt: instantSchema,
});
export type KeyView = z.infer<typeof keyViewSchema>;

/** A key as lists show it: with when it was last used, as the usage counts know it. */
export const keyListItemSchema = keyViewSchema.extend({ lastUsedAt: instantSchema.nullable() });
export type KeyListItem = z.infer<typeof keyListItemSchema>;

/** The answer to issue and rotate. A replayed command answers without the secret and says so. */
export const issuedKeyViewSchema = z.strictObject({
  key: keyViewSchema,
  secret: z.string().nullable(),
  secretShown: z.boolean(),
});
export type IssuedKeyView = z.infer<typeof issuedKeyViewSchema>;

const batchErrorSchema = z.strictObject({
  code: z.enum(Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string(),
});

/** In the order asked for; each stands alone. */
export const revokedKeysViewSchema = z.strictObject({
  results: z.array(
    z.union([
      z.strictObject({ keyId: keyIdSchema, revokedAt: instantSchema }),
      z.strictObject({ keyId: keyIdSchema, error: batchErrorSchema }),
    ]),
  ),
});
export type RevokedKeysView = z.infer<typeof revokedKeysViewSchema>;

export const importedKeysViewSchema = z.strictObject({
  results: z.array(
    z.union([
      z.strictObject({ index: z.int(), keyId: keyIdSchema }),
      z.strictObject({ index: z.int(), error: batchErrorSchema }),
    ]),
  ),
});
export type ImportedKeysView = z.infer<typeof importedKeysViewSchema>;

/** Every key issued before this is revoked; those issued later are not. */
export const ownerRevocationViewSchema = z.strictObject({
  ownerId: ownerIdSchema,
  revokedAt: instantSchema,
  /** Version of the owner's stream. */
  version: z.int(),
});
export type OwnerRevocationView = z.infer<typeof ownerRevocationViewSchema>;

export const leakViewSchema = z.strictObject({
  key: keyViewSchema,
  /** Which of its secrets was found; `ended`: its overlap is over, it opens nothing any more. */
  secret: z.enum(['current', 'overlap', 'ended']),
  revoked: z.boolean(),
});
export type LeakView = z.infer<typeof leakViewSchema>;

export const keyChangeSchema = changeEntrySchema;
export type KeyChange = ChangeEntry;

/** Oldest first. */
export const keyHistoryViewSchema = z.strictObject({
  changes: z.array(changeEntrySchema),
  nextCursor: z.string().nullable(),
});
export type KeyHistoryView = z.infer<typeof keyHistoryViewSchema>;

export const verdictCheckSchema = z.strictObject({
  name: z.string(),
  passed: z.boolean(),
  code: verifyCodeSchema.meta({ description: 'What a verify answers where this check does not pass.' }),
  detail: z.string(),
});
export type VerdictCheck = z.infer<typeof verdictCheckSchema>;

/** What a verify would have answered, and why. Limits and spent credits are not known of the past. */
export const explanationViewSchema = z.strictObject({
  valid: z.boolean(),
  code: verifyCodeSchema,
  keyId: keyIdSchema,
  /** When the time-based rules were judged. */
  at: instantSchema,
  /** `<epoch>.<position>` of the last event that counted; null when it was asked by time and none did. */
  position: z.string().nullable(),
  /** All of them, in the order judged, those after the first failure too. */
  checks: z.array(verdictCheckSchema),
});
export type ExplanationView = z.infer<typeof explanationViewSchema>;
