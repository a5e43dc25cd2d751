/**
 * JSON Schema for the variants of a JSON flag: the part of it that says the same to everybody and cannot be
 * made slow, so without patterns, references and conditions. https://json-schema.org/draft/2020-12
 */
import { z } from 'zod';
import { isJsonObject, type Json, type JsonObject } from './json.ts';

export const MAX_VARIANT_SCHEMA_CHARACTERS = 16_384;
const MAX_DEPTH = 10;

/** Keywords by the type that they are about; null: any. */
const keywords: Readonly<Record<string, string | null>> = {
  type: null,
  title: null,
  description: null,
  enum: null,
  const: null,
  anyOf: null,
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  items: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  minLength: 'string',
  maxLength: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
};

/** What is wrong with the schema itself, or null. */
function faultIn(schema: Json, at: string, depth: number): string | null {
  if (!isJsonObject(schema)) return `${at} must be an object`;
  if (depth > MAX_DEPTH) return `${at} is more than ${MAX_DEPTH} schemas deep`;
  for (const keyword of Object.keys(schema)) {
    const about = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined;
    if (about === undefined) return `${at}.${keyword} is not taken; use ${Object.keys(keywords).join(', ')}`;
    const { type } = schema;
    if (about !== null && type !== about && !(about === 'number' && type === 'integer')) {
      return `${at}.${keyword} needs "type": "${about}" beside it`;
    }
  }
  const { properties, additionalProperties, items, anyOf } = schema;
  const inner: [string, Json][] = [
    ...(isJsonObject(properties) ? Object.entries(properties) : []).map(([name, one]): [string, Json] => [
      `${at}.properties.${name}`,
      one,
    ]),
    ...(Array.isArray(anyOf) ? (anyOf as Json[]) : []).map((one, i): [string, Json] => [
      `${at}.anyOf.${i}`,
      one,
    ]),
    ...(items === undefined ? [] : [[`${at}.items`, items] as [string, Json]]),
  ];
  if (additionalProperties !== undefined && typeof additionalProperties !== 'boolean') {
    inner.push([`${at}.additionalProperties`, additionalProperties]);
  }
  for (const [where, one] of inner) {
    const fault = faultIn(one, where, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

export const variantSchemaSchema = z.record(z.string(), z.json()).superRefine((schema, context) => {
  if (JSON.stringify(schema).length > MAX_VARIANT_SCHEMA_CHARACTERS) {
    context.addIssue({
      code: 'custom',
      message: `at most ${MAX_VARIANT_SCHEMA_CHARACTERS} characters as JSON`,
    });
    return;
  }
  const fault = faultIn(schema as JsonObject, 'jsonSchema', 1);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  else if (compiled(schema as JsonObject) === null) {
    context.addIssue({ code: 'custom', message: 'a keyword has a value that it cannot have' });
  }
});

/** What is wrong with the value by the schema, as path and words; null: it fits. */
export function misfit(schema: JsonObject, value: Json): string | null {
  const issue = compiled(schema)?.safeParse(value).error?.issues[0];
  return issue ? `${issue.path.map((part) => `${String(part)}: `).join('')}${issue.message}` : null;
}

function compiled(schema: JsonObject): z.ZodType | null {
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch {
    return null;
  }
}
