/** What can be changed of a flag in one environment, one part at a time. */
import { z } from 'zod';
import {
  flagRuleSchema,
  flagSettingsSchema,
  MAX_RULES,
  ruleIdSchema,
  variantNameSchema,
  variantsSchema,
  whenSchema,
} from '../flag-values.ts';
import { asOfSchema, reasonSchema } from '../values.ts';
import { variantSchemaSchema } from '../variant-schema.ts';

const settings = flagSettingsSchema.shape;

/** In the order in which they are to be done; each is about one part. */
export const flagEditSchema = z.discriminatedUnion('edit', [
  /** Killing is a command of its own. */
  z.strictObject({ edit: z.literal('set_mode'), mode: z.enum(['on', 'off']) }),
  z.strictObject({ edit: z.literal('set_off_variant'), variant: variantNameSchema }),
  z.strictObject({ edit: z.literal('set_prerequisites'), prerequisites: settings.prerequisites }),
  z.strictObject({ edit: z.literal('set_targets'), targets: settings.targets }),
  /** A new rule, or another one with the id of one that is there, which stays in its place. */
  z.strictObject({
    edit: z.literal('put_rule'),
    rule: flagRuleSchema,
    /** The rule that a new one goes in front of; absent: it goes last. */
    before: ruleIdSchema.optional(),
  }),
  z.strictObject({ edit: z.literal('remove_rule'), id: ruleIdSchema }),
  /** Every rule that there is, once, in the order in which they are to be tried. */
  z.strictObject({ edit: z.literal('order_rules'), ids: z.array(ruleIdSchema).max(MAX_RULES) }),
  z.strictObject({ edit: z.literal('set_fallthrough'), fallthrough: settings.fallthrough }),
  z.strictObject({ edit: z.literal('set_variants'), variants: variantsSchema }),
  z.strictObject({ edit: z.literal('set_json_schema'), jsonSchema: variantSchemaSchema.nullable() }),
  z.strictObject({ edit: z.literal('set_client_visible'), clientVisible: z.boolean() }),
]);
export type FlagEdit = z.infer<typeof flagEditSchema>;

export const MAX_EDITS = 50;
export const flagEditsSchema = z.array(flagEditSchema).min(1).max(MAX_EDITS);

export const changeFlagSchema = z.strictObject({
  edits: flagEditsSchema,
  reason: reasonSchema.nullable().default(null),
});
export type ChangeFlag = z.infer<typeof changeFlagSchema>;

export const MAX_SEGMENTS_OF_ENVIRONMENT = 500;
export const putSegmentSchema = z.strictObject({
  when: whenSchema,
  reason: reasonSchema.nullable().default(null),
});
export type PutSegment = z.infer<typeof putSegmentSchema>;

export const reasonQuerySchema = z.strictObject({ reason: reasonSchema.optional() });

export const MAX_CONTEXT_CHARACTERS = 32 * 1024;
/** OpenFeature's evaluation context: https://openfeature.dev/specification/sections/evaluation-context */
export const evaluationContextSchema = z
  .record(z.string(), z.json())
  .refine(
    (context) => JSON.stringify(context).length <= MAX_CONTEXT_CHARACTERS,
    `at most ${MAX_CONTEXT_CHARACTERS} characters as JSON`,
  );
export const explainFlagSchema = z.strictObject({
  context: evaluationContextSchema.default({}),
  /** RFC 3339 time, or a position as an answer carried it; left out: now. */
  asOf: asOfSchema.optional(),
});
