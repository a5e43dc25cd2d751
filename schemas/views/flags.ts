/** Projects, environments and flags as they are answered. */
import { z } from 'zod';
import {
  bucketingSchema,
  flagKeySchema,
  flagKindSchema,
  flagSettingsSchema,
  flagTypeSchema,
  lifecycleSchema,
  segmentKeySchema,
  tagsSchema,
  variantNameSchema,
  variantsSchema,
  whenSchema,
} from '../flag-values.ts';
import { instantSchema, ownerIdSchema, slugSchema } from '../values.ts';
import { changeEntrySchema } from './changes.ts';

export const projectViewSchema = z.strictObject({
  project: slugSchema,
  /** Version of the project's stream. */
  version: z.int(),
  createdAt: instantSchema,
});
export type ProjectView = z.infer<typeof projectViewSchema>;

export const environmentViewSchema = z.strictObject({
  project: slugSchema,
  environment: slugSchema,
  /** Approvals of others that a change of its answers needs. */
  approvalsRequired: z.int(),
  /** Version of the environment's stream: every change of its answers is one more. */
  version: z.int(),
  changedAt: instantSchema,
});
export type EnvironmentView = z.infer<typeof environmentViewSchema>;

/** What people know of a flag, in all environments. */
export const flagViewSchema = z.strictObject({
  project: slugSchema,
  flag: flagKeySchema,
  /** Counts the changes of what is shown here; its ETag is this number in quotes. */
  revision: z.int(),
  type: flagTypeSchema,
  kind: flagKindSchema,
  lifecycle: lifecycleSchema,
  ownerTeam: ownerIdSchema.nullable(),
  ownerPerson: ownerIdSchema.nullable(),
  tags: tagsSchema,
  expiresAt: instantSchema.nullable(),
  permanent: z.boolean(),
  createdAt: instantSchema,
});
export type FlagView = z.infer<typeof flagViewSchema>;

/** A step that followed in one environment. */
export const stepResultSchema = z.strictObject({
  environment: slugSchema,
  /** Null: it is done. */
  problem: z.strictObject({ code: z.string(), detail: z.string() }).nullable(),
});

/** A flag that was made, and whether each environment has it; what failed is done again by itself. */
export const createdFlagViewSchema = flagViewSchema.extend({ environments: z.array(stepResultSchema) });

/** How a flag answers in one environment, in a list. */
export const environmentFlagViewSchema = z.strictObject({
  project: slugSchema,
  environment: slugSchema,
  flag: flagKeySchema,
  /** Counts the flag's own changes in this environment; its ETag is this number in quotes. */
  revision: z.int(),
  type: flagTypeSchema,
  variants: variantsSchema,
  jsonSchema: z.record(z.string(), z.json()).nullable(),
  clientVisible: z.boolean(),
  archived: z.boolean(),
  ...flagSettingsSchema.shape,
  /** Decides who gets what of a rollout; the same in every environment. */
  seed: z.string(),
  bucketing: bucketingSchema,
});
export type EnvironmentFlagView = z.infer<typeof environmentFlagViewSchema>;

/** How a flag answers in one environment. */
export const flagInEnvironmentViewSchema = environmentFlagViewSchema.extend({
  /** What in its rules flagd would not evaluate alike: then it is left out of `flagd.json`. */
  notInFlagd: z.array(z.string()),
});
export type FlagInEnvironmentView = z.infer<typeof flagInEnvironmentViewSchema>;

/** A flag in a list: with what it is in each environment. */
export const flagListItemSchema = flagViewSchema.extend({
  environments: z.array(
    z.strictObject({
      environment: slugSchema,
      mode: flagSettingsSchema.shape.mode,
      archived: z.boolean(),
      revision: z.int(),
      changedAt: instantSchema,
    }),
  ),
});

export const segmentViewSchema = z.strictObject({ segment: segmentKeySchema, when: whenSchema });

export const flagHistoryViewSchema = z.strictObject({
  /** Oldest first. */
  changes: z.array(changeEntrySchema.extend({ revision: z.int(), cause: z.json() })),
  nextCursor: z.string().nullable(),
});

/** Why a context got what it got. */
export const flagExplanationViewSchema = z.strictObject({
  flag: flagKeySchema,
  /** Absent: the default in the code counts. */
  value: z.json().optional(),
  variant: variantNameSchema.optional(),
  reason: z.string(),
  errorCode: z.string().optional(),
  errorMessage: z.string().optional(),
  /** Off and killed flags serve their off variant to everybody. */
  mode: flagSettingsSchema.shape.mode,
  /** Of the flag in this environment, as it was evaluated. */
  revision: z.int(),
  /** `<epoch>.<position>` of the environment's last change before it: `asOf` it answers the same again. */
  position: z.string(),
  at: instantSchema,
  /** Every step that was looked at; the last one was served. */
  trace: z.array(
    z.strictObject({
      part: z.enum(['prerequisite', 'target', 'rule', 'fallthrough']),
      id: z.string().nullable(),
      holds: z.boolean(),
    }),
  ),
  /** Where the context lies, if the step that was served deals out. */
  bucket: z
    .strictObject({
      by: z.string(),
      key: z.string().nullable(),
      gate: z.strictObject({ bucket: z.int(), exposure: z.int() }).nullable(),
      split: z.strictObject({ bucket: z.int(), of: z.int() }).nullable(),
    })
    .nullable(),
});
export type FlagExplanationView = z.infer<typeof flagExplanationViewSchema>;
