/** A project's flags as one document, for those who keep them in a repository: what its text says, in full. */
import { z } from 'zod';
import {
  type Fallthrough,
  type FlagSettings,
  flagKeySchema,
  flagSettingsSchema,
  flagTypeSchema,
  mistyped,
  type Serve,
  segmentKeySchema,
  variantsSchema,
  whenSchema,
} from './flag-values.ts';
import type { Json } from './json.ts';
import { instantSchema, ownerIdSchema, slugSchema } from './values.ts';

export const MAX_FLAGS_OF_FILE = 5_000;
export const MAX_ENVIRONMENTS_OF_FILE = 20;
export const MAX_SEGMENTS_OF_FILE = 500;

/** Why there is the flag, and so how long it may stay. */
export const flagKindSchema = z.enum(['release', 'experiment', 'ops', 'permission']);
export type FlagKind = z.infer<typeof flagKindSchema>;

export const MAX_TAGS = 20;
export const tagSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._:/-]{0,49}$/, 'a tag is 1 to 50 of a-z, 0-9 and ". _ : / -"');
export const tagsSchema = z
  .array(tagSchema)
  .max(MAX_TAGS)
  .refine((tags) => new Set(tags).size === tags.length, 'each tag once');

const atMost = (most: number, what: string) =>
  [
    (record: Readonly<Record<string, unknown>>) => Object.keys(record).length <= most,
    `at most ${most} ${what}`,
  ] as const;

const flagOfFile = z
  .strictObject({
    type: flagTypeSchema,
    variants: variantsSchema,
    kind: flagKindSchema.default('release'),
    owner: z
      .strictObject({
        team: ownerIdSchema.nullable().default(null),
        person: ownerIdSchema.nullable().default(null),
      })
      .default({ team: null, person: null }),
    tags: tagsSchema.default([]),
    clientVisible: z.boolean().default(false),
    /** When it should be gone; null: nobody has said, or it is permanent. */
    expiresAt: instantSchema.nullable().default(null),
    permanent: z.boolean().default(false),
    jsonSchema: z.record(z.string(), z.json()).nullable().default(null),
    environments: z
      .record(slugSchema, flagSettingsSchema)
      .refine(...atMost(MAX_ENVIRONMENTS_OF_FILE, 'environments'))
      .default({}),
  })
  .superRefine(({ type, variants, environments, jsonSchema }, context) => {
    const add = (path: readonly PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path: [...path], message });
    for (const name of mistyped(type, variants as Record<string, Json>)) {
      add(['variants', name], `is not of type ${type}`);
    }
    if (jsonSchema !== null && type !== 'json') add(['jsonSchema'], 'is for flags of type json');
    for (const [environment, settings] of Object.entries(environments)) {
      for (const [path, name] of servedBy(settings)) {
        if (!Object.hasOwn(variants, name)) {
          add(['environments', environment, ...path], `${name} is no variant of the flag`);
        }
      }
    }
  });
export type FlagOfFile = z.infer<typeof flagOfFile>;

export const flagsFileSchema = z.strictObject({
  project: slugSchema,
  /** By environment, by key. */
  segments: z
    .record(
      slugSchema,
      z.record(segmentKeySchema, whenSchema).refine(...atMost(MAX_SEGMENTS_OF_FILE, 'segments')),
    )
    .refine(...atMost(MAX_ENVIRONMENTS_OF_FILE, 'environments'))
    .default({}),
  flags: z.record(flagKeySchema, flagOfFile).refine(...atMost(MAX_FLAGS_OF_FILE, 'flags')),
});
export type FlagsFile = z.infer<typeof flagsFileSchema>;

/** Every variant that a flag's settings name, with the path to where. What imported logic names nobody knows before. */
export function servedBy(settings: FlagSettings): readonly (readonly [readonly PropertyKey[], string])[] {
  const { offVariant, targets, rules, fallthrough } = settings;
  return [
    [['offVariant'], offVariant],
    ...targets.map(({ variant }, i) => [['targets', i, 'variant'], variant] as const),
    ...rules.flatMap(({ serve }, i) => ofServe(serve, ['rules', i, 'serve'])),
    ...ofFallthrough(fallthrough),
  ];
}

type Served = readonly [readonly PropertyKey[], string];

function ofServe(serve: Serve, at: readonly PropertyKey[]): readonly Served[] {
  if ('variant' in serve) return [[[...at, 'variant'], serve.variant]];
  return serve.rollout.weights.map(({ variant }, i) => [[...at, 'rollout', 'weights', i], variant]);
}

function ofFallthrough(fallthrough: Fallthrough): readonly Served[] {
  const at = ['fallthrough'];
  if ('codeDefault' in fallthrough) return [];
  if ('logic' in fallthrough) {
    return fallthrough.otherwise === null ? [] : [[[...at, 'otherwise'], fallthrough.otherwise]];
  }
  return ofServe(fallthrough, at);
}
