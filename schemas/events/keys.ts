import { z } from 'zod';
import { heldPermissionsSchema } from '../permissions.ts';
import { personal } from '../personal.ts';
import {
  allowedIpsSchema,
  creditsSchema,
  instantSchema,
  keyEnvironmentSchema,
  keyIdSchema,
  keyModeSchema,
  keyUseSchema,
  metadataValueSchema,
  namedLimitsSchema,
  nameSchema,
  ownerIdSchema,
  reasonSchema,
  scopesSchema,
} from '../values.ts';
import { type DecodedOf, defineEvent, type EventOf, type PublicOf } from './definition.ts';

/** One secret of a key: what a rebuild needs to verify it again. The secret itself is nowhere. */
export const secretDigestSchema = z.strictObject({
  /** Base64url of HMAC-SHA-256 under the peppers below, innermost first. */
  digest: z.string(),
  /** Versions of the peppers, innermost first: digest = HMAC(last, … HMAC(first, secret)). */
  pepperVersions: z.array(z.int().min(1)).min(1).max(16),
  /** The secret's last four characters, to tell keys apart. Null for an imported digest. */
  hint: z.string().nullable(),
});
export type SecretDigest = z.infer<typeof secretDigestSchema>;

const owner = ownerIdSchema.nullable();
const name = personal(nameSchema, 'ownerId');
const metadata = personal(metadataValueSchema, 'ownerId');
const reason = personal(reasonSchema, 'ownerId');

export const keyEvents = {
  'key.issued': defineEvent(
    2,
    z
      .strictObject({
        keyId: keyIdSchema,
        use: keyUseSchema,
        /** Of a flags key; null: of any other. */
        environment: keyEnvironmentSchema.nullable(),
        mode: keyModeSchema,
        /** `plinth`: our own format, found by the id inside it. `foreign`: imported, found by its digest. */
        format: z.enum(['plinth', 'foreign']),
        ownerId: owner,
        /** The version of the owner's stream that the issue relied on; 0 if none. */
        ownerVersion: z.int().min(0),
        name,
        metadata,
        secret: secretDigestSchema,
        scopes: scopesSchema,
        permissions: heldPermissionsSchema,
        limits: namedLimitsSchema,
        credits: creditsSchema.nullable(),
        expiresAt: instantSchema.nullable(),
        notBefore: instantSchema.nullable(),
        allowedIps: allowedIpsSchema,
      })
      .describe('A key was issued or imported.'),
    [(data) => ({ ...data, environment: null })],
  ),
  'key.rotated': defineEvent(
    1,
    z
      .strictObject({
        secret: secretDigestSchema,
        /** Until when the secrets before it stay good; null: they end at once. */
        overlapUntil: instantSchema.nullable(),
      })
      .describe('A key got a new secret.'),
  ),
  'key.revoked': defineEvent(
    1,
    z
      .strictObject({ ownerId: owner, reason, cause: z.enum(['request', 'owner', 'leak']) })
      .describe('A key was revoked, for good.'),
  ),
  'key.disabled': defineEvent(
    1,
    z.strictObject({ ownerId: owner, reason }).describe('A key was switched off.'),
  ),
  'key.enabled': defineEvent(
    1,
    z.strictObject({ ownerId: owner, reason }).describe('A key was switched on again.'),
  ),
  'key.renamed': defineEvent(1, z.strictObject({ ownerId: owner, name }).describe('A key got another name.')),
  'key.metadata-changed': defineEvent(
    1,
    z.strictObject({ ownerId: owner, metadata }).describe('The metadata of a key were replaced.'),
  ),
  'key.scopes-changed': defineEvent(
    1,
    z.strictObject({ scopes: scopesSchema }).describe('The scopes of a key were replaced.'),
  ),
  'key.permissions-changed': defineEvent(
    1,
    z
      .strictObject({ permissions: heldPermissionsSchema })
      .describe('The permissions of a management key were replaced.'),
  ),
  'key.limits-changed': defineEvent(
    1,
    z.strictObject({ limits: namedLimitsSchema }).describe('The limits of a key were replaced.'),
  ),
  'key.expiry-changed': defineEvent(
    1,
    z
      .strictObject({ expiresAt: instantSchema.nullable() })
      .describe('A key expires at another time, or never.'),
  ),
  'key.not-before-changed': defineEvent(
    1,
    z
      .strictObject({ notBefore: instantSchema.nullable() })
      .describe('A key becomes valid at another time, or is valid at once.'),
  ),
  'key.allowed-ips-changed': defineEvent(
    1,
    z
      .strictObject({ allowedIps: allowedIpsSchema })
      .describe('The addresses that a key may be used from were replaced.'),
  ),
  'key.credits-set': defineEvent(
    1,
    z
      .strictObject({ credits: creditsSchema.nullable() })
      .describe('The credits of a key were set, or their count ended.'),
  ),
  'key.credits-leased': defineEvent(
    1,
    z
      .strictObject({ leaseId: z.uuid(), writer: z.string(), amount: z.int().min(1) })
      .describe('A process took a block of credits to spend from memory.'),
  ),
  'key.credits-returned': defineEvent(
    1,
    z
      .strictObject({ leaseId: z.uuid(), amount: z.int().min(1) })
      .describe('A process that stops gave back what it did not spend of a block.'),
  ),
  'key.credits-refilled': defineEvent(
    1,
    z
      .strictObject({ remaining: z.int().min(1), /** When it was due. */ dueAt: instantSchema })
      .describe('The credits of a key were refilled, as they were due.'),
  ),
  'key.expired': defineEvent(
    1,
    z
      .strictObject({ expiresAt: instantSchema })
      .describe('A key has expired. Verify does not wait for this event.'),
  ),
  /** The digests of all current secrets, oldest first; one under the newest pepper already is as it was. */
  'key.repeppered': defineEvent(
    1,
    z
      .strictObject({
        secrets: z
          .array(
            z.strictObject({ digest: z.string(), pepperVersions: z.array(z.int().min(1)).min(1).max(16) }),
          )
          .min(1),
      })
      .describe('The secrets of a key were put under a newer pepper.'),
  ),
  'key.leak-reported': defineEvent(
    1,
    z
      .strictObject({ ownerId: owner, source: personal(reasonSchema, 'ownerId') })
      .describe('A secret of the key was reported as leaked.'),
  ),
};

export type KeyEvent = EventOf<typeof keyEvents>;
export type DecodedKeyEvent = DecodedOf<typeof keyEvents>;
export type PublicKeyEvent = PublicOf<typeof keyEvents>;
export type EitherKeyEvent = DecodedKeyEvent | PublicKeyEvent;

/** What a person does to all keys of an owner is one event on the owner's stream. */
export const ownerEvents = {
  'owner.keys-revoked': defineEvent(
    1,
    z
      .strictObject({ ownerId: ownerIdSchema, reason: personal(reasonSchema, 'ownerId') })
      .describe('All keys of an owner that were issued before were revoked.'),
  ),
};
export type OwnerEvent = EventOf<typeof ownerEvents>;
export type DecodedOwnerEvent = DecodedOf<typeof ownerEvents>;
export type PublicOwnerEvent = PublicOf<typeof ownerEvents>;
export type EitherOwnerEvent = DecodedOwnerEvent | PublicOwnerEvent;
