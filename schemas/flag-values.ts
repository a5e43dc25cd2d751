/** What a flag is made of, each part with its limit: https://openfeature.dev/specification/glossary */
import { z } from 'zod';
import { isJsonObject, type Json } from './json.ts';
import { toldInWords } from './json-schema.ts';

/** Parts of a rollout are in units of 1/100,000. */
export const WHOLE = 100_000;
export const MAX_VARIANTS = 50;
export const MAX_VARIANTS_CHARACTERS = 64 * 1024;
export const MAX_RULES = 100;
export const MAX_TARGET_KEYS = 1_000;
export const MAX_PREREQUISITES = 10;
/** Conditions of one rule or segment, however they are nested. */
export const MAX_CONDITIONS = 100;
export const MAX_CONDITION_DEPTH = 5;
export const MAX_CONDITION_VALUES = 1_000;
export const MAX_LOGIC_BYTES = 64 * 1024;

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const keyRule = '1 to 100 of letters, digits and ". _ -", starting with a letter or digit';

export const flagKeySchema = z.string().regex(KEY, `a flag key is ${keyRule}`);
export const segmentKeySchema = z.string().regex(KEY, `a segment key is ${keyRule}`);
export const variantNameSchema = z.string().regex(KEY, `the name of a variant is ${keyRule}`);
export const ruleIdSchema = z.string().regex(KEY, `a rule id is ${keyRule}`);
export const flagTypeSchema = z.enum(['boolean', 'string', 'number', 'json']);
export type FlagValueType = z.infer<typeof flagTypeSchema>;

/** An attribute of the evaluation context; "a.b" is b of a. What begins with $ is injected, and no rule reads it. */
export const attributeSchema = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,4}$/,
    'an attribute is a name of letters, digits, "_" and "-", or up to five of them joined by "."',
  )
  .max(100);

/** Why there is the flag, and so how long it may stay. */
export const flagKindSchema = z.enum(['release', 'experiment', 'ops', 'permission']);
export type FlagKind = z.infer<typeof flagKindSchema>;

export const lifecycles = ['draft', 'live', 'rolled-out', 'cleanup', 'archived'] as const;
export const lifecycleSchema = z.enum(lifecycles);
export type Lifecycle = z.infer<typeof lifecycleSchema>;

export const MAX_TAGS = 20;
export const tagSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._:/-]{0,49}$/, 'a tag is 1 to 50 of a-z, 0-9 and ". _ : / -"');
export const tagsSchema = z
  .array(tagSchema)
  .max(MAX_TAGS)
  .refine((tags) => new Set(tags).size === tags.length, 'each tag once');

/** Minted for a flag, and carried along by copies: with the bucketing it decides who gets what of a rollout. */
export const seedSchema = z.string().regex(/^[0-9a-f]{16}$/);
/** How a rollout deals out: https://flagd.dev/reference/custom-operations/fractional-operation/ */
export const bucketingSchema = z.enum(['flagd-v2']);

const text = z.string().max(1_000);
const scalar = z.union([text, z.number(), z.boolean()]);
const version = z.string().min(1).max(256);
const instant = z.iso.datetime({ offset: true });

/** Each is one operator of a condition, with the value that it takes. */
export const conditionOperators = {
  equals: scalar,
  not_equals: scalar,
  in: z
    .array(z.union([text, z.number()]))
    .min(1)
    .max(MAX_CONDITION_VALUES),
  not_in: z
    .array(z.union([text, z.number()]))
    .min(1)
    .max(MAX_CONDITION_VALUES),
  contains: text,
  not_contains: text,
  starts_with: text,
  ends_with: text,
  matches: text,
  not_matches: text,
  greater_than: z.number(),
  greater_or_equal: z.number(),
  less_than: z.number(),
  less_or_equal: z.number(),
  version_equals: version,
  version_not_equals: version,
  version_greater_than: version,
  version_greater_or_equal: version,
  version_less_than: version,
  version_less_or_equal: version,
  version_same_major: version,
  version_same_minor: version,
  before: instant,
  after: instant,
  exists: z.boolean(),
} as const;
export type ConditionOperator = keyof typeof conditionOperators;

const operatorNames = Object.keys(conditionOperators) as [ConditionOperator, ...ConditionOperator[]];

/** One attribute held against a value. */
export const conditionSchema = z
  .strictObject({ attribute: attributeSchema, is: z.enum(operatorNames), value: z.json() })
  .superRefine(({ is, value }, context) => {
    for (const { path, message } of conditionOperators[is].safeParse(value).error?.issues ?? []) {
      context.addIssue({ code: 'custom', path: ['value', ...path], message: `${is}: ${message}` });
    }
  });
export type Condition = z.infer<typeof conditionSchema>;

/** When a rule holds: conditions, segments, and what is put together of them. */
export type When =
  | Condition
  | { readonly segment: string }
  | { readonly all: readonly When[] }
  | { readonly any: readonly When[] }
  | { readonly not: When }
  /** JsonLogic as it was imported. */
  | { readonly logic: Json };

const logicSchema = z
  .json()
  .refine(
    (logic) => JSON.stringify(logic).length <= MAX_LOGIC_BYTES,
    `JsonLogic of at most ${MAX_LOGIC_BYTES} characters`,
  );

const whenAt = (depth: number): z.ZodType<When> => {
  const leaf = [
    conditionSchema,
    z.strictObject({ segment: segmentKeySchema }),
    z.strictObject({ logic: logicSchema }),
  ] as const;
  if (depth === MAX_CONDITION_DEPTH) return z.union(leaf) as z.ZodType<When>;
  const inner = whenAt(depth + 1);
  toldInWords.add(inner, { description: `A condition again, up to ${MAX_CONDITION_DEPTH} deep in all.` });
  const several = z.array(inner).min(1).max(MAX_CONDITIONS);
  return z.union([
    ...leaf,
    z.strictObject({ all: several }),
    z.strictObject({ any: several }),
    z.strictObject({ not: inner }),
  ]) as z.ZodType<When>;
};

export const whenSchema = whenAt(1).refine(
  (when) => conditionsIn(when) <= MAX_CONDITIONS,
  `at most ${MAX_CONDITIONS} conditions`,
);

function conditionsIn(when: When): number {
  if ('not' in when) return conditionsIn(when.not);
  const several = 'all' in when ? when.all : 'any' in when ? when.any : null;
  return several ? several.reduce((sum, one) => sum + conditionsIn(one), 0) : 1;
}

/**
 * A share of those who are looked at gets the variants below, by weight; the others get the off variant.
 * Growing `exposure` moves nobody from one variant to another.
 */
export const rolloutSchema = z.strictObject({
  /** Whose value decides: the same value, the same variant. */
  by: attributeSchema,
  /** Of 100,000. */
  exposure: z.int().min(0).max(WHOLE),
  weights: z
    .array(z.strictObject({ variant: variantNameSchema, weight: z.int().min(1).max(WHOLE) }))
    .min(1)
    .max(MAX_VARIANTS)
    .refine(
      (weights) => new Set(weights.map(({ variant }) => variant)).size === weights.length,
      'each variant once',
    ),
});
export type Rollout = z.infer<typeof rolloutSchema>;

const serveVariant = z.strictObject({ variant: variantNameSchema });
const serveRollout = z.strictObject({ rollout: rolloutSchema });
export const serveSchema = z.union([serveVariant, serveRollout]);
export type Serve = z.infer<typeof serveSchema>;

export const flagRuleSchema = z.strictObject({ id: ruleIdSchema, when: whenSchema, serve: serveSchema });
export type FlagRule = z.infer<typeof flagRuleSchema>;

export const prerequisiteSchema = z.strictObject({
  flag: flagKeySchema,
  /** What it must answer with. */
  variants: z.array(variantNameSchema).min(1).max(MAX_VARIANTS),
});
export type Prerequisite = z.infer<typeof prerequisiteSchema>;

/** Targeting keys that get a variant whatever the rules say. */
export const targetSchema = z.strictObject({
  variant: variantNameSchema,
  keys: z.array(z.string().min(1).max(500)).min(1).max(MAX_TARGET_KEYS),
});
export type Target = z.infer<typeof targetSchema>;

/** JsonLogic as it was imported, which names a variant; where it names none: `otherwise`, or the default in the code. */
const serveLogic = z.strictObject({ logic: logicSchema, otherwise: variantNameSchema.nullable() });
const fallthroughSchema = z.union([
  serveVariant,
  serveRollout,
  z.strictObject({ codeDefault: z.literal(true) }),
  serveLogic,
]);
export type Fallthrough = z.infer<typeof fallthroughSchema>;

/** How a flag answers in one environment. */
export const flagSettingsSchema = z.strictObject({
  mode: z.enum(['on', 'off', 'killed']),
  offVariant: variantNameSchema,
  prerequisites: z.array(prerequisiteSchema).max(MAX_PREREQUISITES),
  targets: z.array(targetSchema).max(MAX_VARIANTS),
  rules: z
    .array(flagRuleSchema)
    .max(MAX_RULES)
    .refine((rules) => new Set(rules.map(({ id }) => id)).size === rules.length, 'rule ids must differ'),
  /** For whom nothing above holds. */
  fallthrough: fallthroughSchema,
});
export type FlagSettings = z.infer<typeof flagSettingsSchema>;

export const variantsSchema = z
  .record(variantNameSchema, z.json())
  .refine((variants) => {
    const { length } = Object.keys(variants);
    return length >= 1 && length <= MAX_VARIANTS;
  }, `1 to ${MAX_VARIANTS} variants`)
  .refine(
    (variants) => JSON.stringify(variants).length <= MAX_VARIANTS_CHARACTERS,
    `at most ${MAX_VARIANTS_CHARACTERS} characters as JSON, all variants together`,
  );
export type Variants = Readonly<Record<string, Json>>;

/** The names of variants whose value is not of the type. */
export function mistyped(type: FlagValueType, variants: Variants): readonly string[] {
  return Object.entries(variants)
    .filter(([, value]) => (type === 'json' ? !isJsonObject(value) : typeof value !== type))
    .map(([name]) => name);
}
