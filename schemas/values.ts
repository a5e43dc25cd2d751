/** Values that commands, events and views share, each with its limit. */
import { z } from 'zod';

export const MAX_METADATA_BYTES = 16 * 1024;
export const MAX_SCOPES = 100;
export const MAX_LIMITS = 10;
export const MAX_ALLOWED_IPS = 100;
export const MAX_OVERLAP_SECONDS = 30 * 86_400;
export const DEFAULT_OVERLAP_SECONDS = 86_400;

export const slugSchema = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/,
    'use 1 to 40 of a-z, 0-9 and "-", starting and ending with a letter or digit',
  );

export const tenantIdSchema = z
  .string()
  .regex(/^tnt_[0-9a-f]{32}$/, 'a tenant id is "tnt_" and 32 hexadecimal digits');

export const KEY_ID = /^key_[0-9A-Za-z]{12}$/;
export const keyIdSchema = z.string().regex(KEY_ID, 'a key id is "key_" and 12 letters or digits');

/** Opaque on purpose: it is stored in the clear, so it must not be an address or a name. */
export const ownerIdSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/,
    'an owner id is opaque: 1 to 128 of letters, digits and ". _ : -"; keep names and addresses in metadata',
  );

export const nameSchema = z.string().min(1).max(200);
export const reasonSchema = z.string().min(1).max(500);

/** A scope names a right of the tenant's own making, e.g. `invoices:read` or `files.*`. */
export const scopeSchema = z
  .string()
  .regex(/^[A-Za-z0-9*][A-Za-z0-9._:*/-]{0,99}$/, 'a scope is 1 to 100 of letters, digits and ". _ : * / -"');
export const scopesSchema = z.array(scopeSchema).max(MAX_SCOPES);

export const limitNameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,39}$/,
    'a limit name is 1 to 40 of a-z, 0-9, "_" and "-", starting with a letter',
  );
export const namedLimitSchema = z.strictObject({
  name: limitNameSchema,
  /** How many units a window admits. */
  limit: z.int().min(1).max(1_000_000_000),
  /** Length of the window, in seconds. */
  windowSeconds: z
    .int()
    .min(1)
    .max(31 * 86_400),
});
export type NamedLimit = z.infer<typeof namedLimitSchema>;
export const namedLimitsSchema = z
  .array(namedLimitSchema)
  .max(MAX_LIMITS)
  .refine(
    (limits) => limits.length < 2 || new Set(limits.map((l) => l.name)).size === limits.length,
    'limit names must differ',
  );

/** RFC 3339, UTC or with an offset; in UTC too it lies in a year of four digits, or no answer could tell it. */
export const instantSchema = z.iso.datetime({ offset: true }).refine(hasFourDigitYear, {
  error: 'it lies outside of the years 0000 to 9999 of UTC',
  // What is no instant at all has been told so.
  abort: true,
});

function hasFourDigitYear(instant: string): boolean {
  if (instant.endsWith('Z')) return true;
  const atMs = Date.parse(instant);
  return Number.isNaN(atMs) || /^\d/.test(new Date(atMs).toISOString());
}

/** RFC 3339, or a position token as answers carry it. */
export const asOfSchema = z.union([
  instantSchema,
  z
    .string()
    .regex(
      /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:[0-9]{20}(?:[0-9]{20})?)?$/,
      'a position is as an answer carried it',
    ),
]);

export const allowedIpsSchema = z
  .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
  .max(MAX_ALLOWED_IPS);

/** As UTF-8, in which no UTF-16 code unit takes more than three bytes. */
function isWithinBytes(text: string, bytes: number): boolean {
  return text.length * 3 <= bytes || new TextEncoder().encode(text).length <= bytes;
}

export const metadataValueSchema = z
  .record(z.string().min(1).max(100), z.json())
  .refine(
    (value) => isWithinBytes(JSON.stringify(value), MAX_METADATA_BYTES),
    `metadata may be at most ${MAX_METADATA_BYTES} bytes as JSON`,
  );

export const refillSchema = z.strictObject({
  /** The balance after a refill; a refill sets, it does not add. */
  amount: z.int().min(1).max(1_000_000_000_000),
  /** Seconds from one refill to the next. */
  everySeconds: z
    .int()
    .min(60)
    .max(366 * 86_400),
});
export const creditsSchema = z.strictObject({
  remaining: z.int().min(0).max(1_000_000_000_000),
  refill: refillSchema.nullable(),
});
export type Credits = z.infer<typeof creditsSchema>;

/**
 * `api`: verified by the tenant's own services. `management`: calls Plinth. `flags-server` and `flags-client`:
 * read the flags of one environment; a client's is public by design, for it is in what browsers load.
 */
export const keyUseSchema = z.enum(['management', 'api', 'flags-server', 'flags-client']);
export type KeyUse = z.infer<typeof keyUseSchema>;
/** The environment that a flags key is bound to, for good. */
export const keyEnvironmentSchema = z.strictObject({ project: slugSchema, environment: slugSchema });
export type KeyEnvironment = z.infer<typeof keyEnvironmentSchema>;
export const keyModeSchema = z.enum(['live', 'test']);
export type KeyMode = z.infer<typeof keyModeSchema>;
