/** What can be asked of projects and environments, and how flags are made. */
import { z } from 'zod';
import {
  flagKeySchema,
  flagKindSchema,
  flagTypeSchema,
  lifecycleSchema,
  tagsSchema,
  variantNameSchema,
  variantsSchema,
} from '../flag-values.ts';
import { instantSchema, nameSchema, ownerIdSchema, reasonSchema, slugSchema } from '../values.ts';
import { variantSchemaSchema } from '../variant-schema.ts';

export const MAX_ENVIRONMENTS_OF_PROJECT = 20;
export const MAX_FLAGS_OF_PROJECT = 5_000;
export const MAX_APPROVALS_REQUIRED = 5;
export const MAX_DESCRIPTION_CHARACTERS = 2_000;

const name = nameSchema.nullable().default(null);
export const approvalsRequiredSchema = z.int().min(0).max(MAX_APPROVALS_REQUIRED);

export const createProjectSchema = z.strictObject({ project: slugSchema, name });
export type CreateProject = z.infer<typeof createProjectSchema>;

export const renameProjectSchema = z.strictObject({ name: nameSchema.nullable() });

export const createEnvironmentSchema = z.strictObject({
  environment: slugSchema,
  name,
  /** Approvals of others that a change of its answers needs. */
  approvalsRequired: approvalsRequiredSchema.default(0),
});
export type CreateEnvironment = z.infer<typeof createEnvironmentSchema>;

export const changeEnvironmentSchema = z.strictObject({ approvalsRequired: approvalsRequiredSchema });
export type ChangeEnvironment = z.infer<typeof changeEnvironmentSchema>;

const descriptionSchema = z.string().min(1).max(MAX_DESCRIPTION_CHARACTERS);
const details = {
  kind: flagKindSchema,
  ownerTeam: ownerIdSchema.nullable(),
  ownerPerson: ownerIdSchema.nullable(),
  tags: tagsSchema,
  expiresAt: instantSchema.nullable(),
  permanent: z.boolean(),
};

/** Left out: a boolean flag, off everywhere, that serves `on` to everybody once it is on. */
export const createFlagSchema = z.strictObject({
  flag: flagKeySchema,
  name,
  description: descriptionSchema.nullable().default(null),
  kind: details.kind.default('release'),
  ownerTeam: details.ownerTeam.default(null),
  ownerPerson: details.ownerPerson.default(null),
  tags: details.tags.default([]),
  expiresAt: details.expiresAt.default(null),
  permanent: details.permanent.default(false),
  type: flagTypeSchema.default('boolean'),
  variants: variantsSchema.optional(),
  jsonSchema: variantSchemaSchema.nullable().default(null),
  clientVisible: z.boolean().default(false),
  offVariant: variantNameSchema.optional(),
  onVariant: variantNameSchema.optional(),
});
export type CreateFlag = z.infer<typeof createFlagSchema>;

/** What is left out stays. */
export const updateFlagSchema = z
  .strictObject({
    ...details,
    lifecycle: lifecycleSchema,
    name: nameSchema.nullable(),
    description: descriptionSchema.nullable(),
  })
  .partial();
export type UpdateFlag = z.infer<typeof updateFlagSchema>;

const reason = reasonSchema.nullable().default(null);
export const reasonOnlySchema = z.strictObject({ reason });
export const killFlagSchema = z.strictObject({ reason: reasonSchema });
export type KillFlag = z.infer<typeof killFlagSchema>;
export const rollbackFlagSchema = z.strictObject({ revision: z.int().min(1), reason });
export type RollbackFlag = z.infer<typeof rollbackFlagSchema>;
export const copyFlagSchema = z.strictObject({
  /** The environment of the same project that it is copied from. */
  from: slugSchema,
  reason,
});
export type CopyFlag = z.infer<typeof copyFlagSchema>;
