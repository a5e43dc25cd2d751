import { z } from 'zod';
import {
  bucketingSchema,
  flagKeySchema,
  flagKindSchema,
  flagSettingsSchema,
  flagTypeSchema,
  lifecycleSchema,
  ruleIdSchema,
  seedSchema,
  segmentKeySchema,
  serveSchema,
  tagsSchema,
  variantNameSchema,
} from '../flag-values.ts';
import { personal } from '../personal.ts';
import { instantSchema, nameSchema, ownerIdSchema, reasonSchema, slugSchema } from '../values.ts';
import { type DecodedOf, defineEvent, type EventOf, type PublicOf } from './definition.ts';

/** Who to ask about a flag; both are opaque, for they are stored in the clear. */
const ownership = {
  ownerTeam: ownerIdSchema.nullable(),
  ownerPerson: ownerIdSchema.nullable(),
};
const details = {
  kind: flagKindSchema,
  ...ownership,
  tags: tagsSchema,
  /** When it should be gone; null: nobody has said, or it is permanent. */
  expiresAt: instantSchema.nullable(),
  permanent: z.boolean(),
};

/** A rule as commands take it, with its condition as it was checked then. */
const recordedRule = z.strictObject({ when: z.json(), serve: serveSchema });
const recordedSettings = flagSettingsSchema.extend({
  rules: z.array(recordedRule.extend({ id: ruleIdSchema })),
});
/** As many as there were allowed then. */
const recordedVariants = z.record(variantNameSchema, z.json());
const jsonSchema = z.record(z.string(), z.json()).nullable();

/** The parts of a flag that a change touched, as they are since; a rule that is gone is null. */
export const recordedPartsSchema = z
  .strictObject({
    ...flagSettingsSchema.omit({ rules: true }).shape,
    /** By id. */
    rules: z.record(ruleIdSchema, recordedRule.nullable()),
    ruleOrder: z.array(ruleIdSchema),
    variants: recordedVariants,
    jsonSchema,
    clientVisible: z.boolean(),
  })
  .partial();
export type RecordedParts = z.infer<typeof recordedPartsSchema>;

/** What a change came from. Kinds may be added: `edit`, `rollback`, `copy`, `import`, `request`, `schedule`, `guard`. */
export const changeCauseSchema = z.strictObject({
  kind: z.string().regex(/^[a-z][a-z-]{0,39}$/),
  /** Of the request or schedule. */
  id: z.string().max(100).nullable(),
  /** That a rollback restored, or that was copied. */
  revision: z.int().min(1).nullable(),
  /** That was copied from. */
  environment: slugSchema.nullable(),
});
export type ChangeCause = z.infer<typeof changeCauseSchema>;

/** What decides no answer: which environments and flags there are, and what people know of them. */
export const projectEvents = {
  'project.created': defineEvent(
    1,
    z
      .strictObject({ project: slugSchema, name: personal(nameSchema) })
      .describe('A project was made, for flags and their environments.'),
  ),
  'project.renamed': defineEvent(
    1,
    z.strictObject({ name: personal(nameSchema) }).describe('A project got another name.'),
  ),
  'project.environment-added': defineEvent(
    1,
    z
      .strictObject({
        environment: slugSchema,
        name: personal(nameSchema),
        approvalsRequired: z.int().min(0),
      })
      .describe('A project got an environment; its own stream begins with it.'),
  ),
  'project.flag-created': defineEvent(
    1,
    z
      .strictObject({
        flag: flagKeySchema,
        name: personal(nameSchema),
        description: personal(z.string()),
        ...details,
        type: flagTypeSchema,
        seed: seedSchema,
        bucketing: bucketingSchema,
        variants: recordedVariants,
        jsonSchema,
        clientVisible: z.boolean(),
        offVariant: variantNameSchema,
        /** Whom nothing else is said about gets it, once the flag is on. */
        onVariant: variantNameSchema,
      })
      .describe('A flag was made, for every environment of the project, where it is off.'),
  ),
  'project.flag-described': defineEvent(
    1,
    z
      .strictObject({
        flag: flagKeySchema,
        name: personal(nameSchema),
        description: personal(z.string()),
      })
      .describe('A flag got another name or description.'),
  ),
  'project.flag-details-changed': defineEvent(
    1,
    z
      .strictObject({ flag: flagKeySchema, ...details })
      .describe('What people know of a flag changed: its kind, owner, tags or expected end.'),
  ),
  'project.flag-lifecycle-changed': defineEvent(
    1,
    z
      .strictObject({ flag: flagKeySchema, lifecycle: lifecycleSchema })
      .describe('A flag entered another part of its life.'),
  ),
};

/** Everything that decides the answers of one environment, each event naming its flag. */
export const environmentEvents = {
  'environment.created': defineEvent(
    1,
    z
      .strictObject({
        project: slugSchema,
        environment: slugSchema,
        /** Approvals that a change of its answers needs, besides the one who asks. */
        approvalsRequired: z.int().min(0),
      })
      .describe('An environment began.'),
  ),
  'environment.approvals-changed': defineEvent(
    1,
    z
      .strictObject({ approvalsRequired: z.int().min(0) })
      .describe('An environment asks for more or fewer approvals.'),
  ),
  'flag.added': defineEvent(
    1,
    z
      .strictObject({
        flag: flagKeySchema,
        type: flagTypeSchema,
        seed: seedSchema,
        bucketing: bucketingSchema,
        variants: recordedVariants,
        jsonSchema,
        clientVisible: z.boolean(),
        settings: recordedSettings,
      })
      .describe('An environment got a flag.'),
  ),
  'flag.changed': defineEvent(
    1,
    z
      .strictObject({
        flag: flagKeySchema,
        parts: recordedPartsSchema,
        cause: changeCauseSchema,
        reason: personal(reasonSchema),
      })
      .describe('A flag answers otherwise in an environment, or may: the parts that were changed.'),
  ),
  'flag.killed': defineEvent(
    1,
    z
      .strictObject({ flag: flagKeySchema, reason: personal(reasonSchema) })
      .describe('A flag was killed: everybody gets its off variant, whatever its rules say.'),
  ),
  'flag.archived': defineEvent(
    1,
    z
      .strictObject({ flag: flagKeySchema, reason: personal(reasonSchema) })
      .describe('A flag was archived in an environment: whoever still asks uses the default in the code.'),
  ),
  'flag.restored': defineEvent(
    1,
    z
      .strictObject({ flag: flagKeySchema, reason: personal(reasonSchema) })
      .describe('An archived flag answers again in an environment, as before.'),
  ),
  'segment.changed': defineEvent(
    1,
    z
      .strictObject({
        segment: segmentKeySchema,
        /** Null: it is gone. */
        when: z.json(),
        reason: personal(reasonSchema),
      })
      .describe('A segment of an environment was made, changed or removed.'),
  ),
};

const request = { request: z.string().regex(/^chg_[0-9a-f]{32}$/) };
const requested = {
  ...request,
  title: personal(nameSchema),
  /** As `schemas/commands/change-requests.ts` had them; a copy names the revision that it copies. */
  commands: z.array(z.record(z.string(), z.json())),
  /** For each command: the parts that it is about, as they are before it. */
  bases: z.array(z.record(z.string(), z.json())),
  /** SHA-256 of commands and bases, base64url: what an approval is of. */
  hash: z.string(),
  /** Owner of the key that wrote it; null: the key has none. */
  author: ownerIdSchema.nullable(),
};

/** Changes that others approve before they are done. */
export const requestEvents = {
  'change-request.opened': defineEvent(
    1,
    z.strictObject(requested).describe('A change was written down, for others to approve.'),
  ),
  'change-request.edited': defineEvent(
    1,
    z.strictObject(requested).describe('A change request was changed; approvals of before are void.'),
  ),
  'change-request.approved': defineEvent(
    1,
    z
      .strictObject({ ...request, hash: z.string(), approver: ownerIdSchema })
      .describe('A change request was approved, as it was then.'),
  ),
  'change-request.closed': defineEvent(
    1,
    z
      .strictObject({
        ...request,
        /** `withdrawn` or `rejected`. */
        outcome: z.string().regex(/^[a-z-]{1,40}$/),
        reason: personal(reasonSchema),
      })
      .describe('A change request will not be done.'),
  ),
  'change-request.applied': defineEvent(
    1,
    z
      .strictObject({ ...request, hash: z.string(), approvers: z.array(ownerIdSchema) })
      .describe('A change request was done: the changes before it, in the same append, are its own.'),
  ),
};

export type ProjectEvent = EventOf<typeof projectEvents>;
export type DecodedProjectEvent = DecodedOf<typeof projectEvents>;
export type PublicProjectEvent = PublicOf<typeof projectEvents>;
export type EnvironmentEvent = EventOf<typeof environmentEvents> | EventOf<typeof requestEvents>;
export type DecodedEnvironmentEvent = DecodedOf<typeof environmentEvents> | DecodedOf<typeof requestEvents>;
export type PublicEnvironmentEvent = PublicOf<typeof environmentEvents> | PublicOf<typeof requestEvents>;
export type RecordedSettings = z.infer<typeof recordedSettings>;
export type EitherProjectEvent = DecodedProjectEvent | PublicProjectEvent;
export type EitherEnvironmentEvent = DecodedEnvironmentEvent | PublicEnvironmentEvent;
