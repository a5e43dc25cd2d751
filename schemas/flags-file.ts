/** A project's flags as one document, for those who keep them in a repository: what its text says, in full. */
import { z } from 'zod';
import { MAX_SEGMENTS_OF_ENVIRONMENT } from './commands/flags.ts';
import { MAX_ENVIRONMENTS_OF_PROJECT, MAX_FLAGS_OF_PROJECT } from './commands/projects.ts';
import {
  flagKeySchema,
  flagKindSchema,
  flagSettingsSchema,
  flagTypeSchema,
  mistyped,
  segmentKeySchema,
  tagsSchema,
  variantsSchema,
  whenSchema,
} from './flag-values.ts';
import type { Json, JsonObject } from './json.ts';
import { servedBy } from './served-variants.ts';
import { instantSchema, ownerIdSchema, slugSchema } from './values.ts';
import { misfit, variantSchemaSchema } from './variant-schema.ts';

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
    jsonSchema: variantSchemaSchema.nullable().default(null),
    environments: z
      .record(slugSchema, flagSettingsSchema)
      .refine(...atMost(MAX_ENVIRONMENTS_OF_PROJECT, 'environments'))
      .default({}),
  })
  .superRefine(({ type, variants, environments, jsonSchema }, context) => {
    const add = (path: readonly PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path: [...path], message });
    for (const name of mistyped(type, variants as Record<string, Json>)) {
      add(['variants', name], `is not of type ${type}`);
    }
    if (jsonSchema !== null && type !== 'json') add(['jsonSchema'], 'is for flags of type json');
    for (const [name, value] of Object.entries(jsonSchema === null ? {} : variants)) {
      const why = misfit(jsonSchema as JsonObject, value as Json);
      if (why !== null) add(['variants', name], `does not fit the JSON Schema: ${why}`);
    }
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
      z.record(segmentKeySchema, whenSchema).refine(...atMost(MAX_SEGMENTS_OF_ENVIRONMENT, 'segments')),
    )
    .refine(...atMost(MAX_ENVIRONMENTS_OF_PROJECT, 'environments'))
    .default({}),
  flags: z.record(flagKeySchema, flagOfFile).refine(...atMost(MAX_FLAGS_OF_PROJECT, 'flags')),
});
export type FlagsFile = z.infer<typeof flagsFileSchema>;

/** What is there under a key, which may be called as what every object has. */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
