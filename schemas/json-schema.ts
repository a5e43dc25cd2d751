/** zod schemas as JSON Schema: named ones as components of the document, and plain ones for serialisers. */
import { z } from 'zod';

export type JsonSchema = { [keyword: string]: unknown };

/** `input`: what is sent to us (defaults are optional). `output`: what we answer. */
export type Direction = 'input' | 'output';

const COMPONENTS = '#/components/schemas/';

/** Components by name; members that are named themselves become references. */
export function componentSchemas(
  named: ReadonlyMap<string, z.ZodType>,
  direction: Direction,
): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of named) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io: direction,
    unrepresentable: 'any',
    uri: (id) => COMPONENTS + id,
    override: anyJson,
  }) as unknown as { schemas: Record<string, JsonSchema> };
  const shared = (schemas.__shared?.$defs ?? {}) as Record<string, JsonSchema>;
  const entries = Object.entries(schemas).filter(([name]) => name !== '__shared');
  return Object.fromEntries(entries.map(([name, schema]) => [name, readable(schema, shared) as JsonSchema]));
}

/** One schema with everything in place, as readers of the document want it. */
export function inlineSchema(schema: z.ZodType, direction: Direction): JsonSchema {
  const json = z.toJSONSchema(schema, {
    io: direction,
    unrepresentable: 'any',
    override: anyJson,
  }) as JsonSchema;
  return readable(json, (json.$defs ?? {}) as Record<string, JsonSchema>) as JsonSchema;
}

/**
 * What a serialiser needs and no more: it does not judge. `nullable` instead of a union with null, which
 * fast-json-stringify would decide by validating: measured 25 % slower, and slower than JSON.stringify.
 */
export function serialiserSchema(schema: z.ZodType): JsonSchema {
  return lean(inlineSchema(schema, 'output')) as JsonSchema;
}

/** Schemas that a document tells in a sentence: spelled out they would repeat what is around them. */
export const toldInWords = z.registry<{ readonly description: string }>();

/** `z.json()` is any JSON at all; spelled out it refers to itself without end. */
function anyJson(context: { zodSchema: z.core.$ZodTypes; jsonSchema: object }): void {
  const told = toldInWords.get(context.zodSchema as unknown as z.ZodType);
  if (context.zodSchema._zod.def.type !== 'lazy' && !told) return;
  for (const key of Object.keys(context.jsonSchema)) delete (context.jsonSchema as JsonSchema)[key];
  Object.assign(context.jsonSchema, told);
}

/** A `format` says the same in a word as the pattern that zod spells out. */
const FORMATS_THAT_SAY_IT = new Set(['date-time', 'ipv4', 'ipv6', 'cidrv4', 'cidrv6', 'uuid']);

function readable(value: unknown, shared: Record<string, JsonSchema>): unknown {
  if (Array.isArray(value)) return value.map((member) => readable(member, shared));
  if (value === null || typeof value !== 'object') return value;
  const schema = value as JsonSchema;
  const ref = typeof schema.$ref === 'string' ? /(?:__shared#)?\/\$defs\/(.+)$/.exec(schema.$ref) : null;
  if (ref) return readable(shared[ref[1]!] ?? {}, shared);
  const says = typeof schema.format === 'string' && FORMATS_THAT_SAY_IT.has(schema.format);
  const kept = Object.entries(schema).filter(
    ([keyword, v]) =>
      keyword !== '$schema' &&
      keyword !== '$id' &&
      keyword !== '$defs' &&
      !(keyword === 'pattern' && says) &&
      !(keyword === 'minimum' && v === Number.MIN_SAFE_INTEGER) &&
      !(keyword === 'maximum' && v === Number.MAX_SAFE_INTEGER) &&
      !(keyword === 'propertyNames' && Object.keys(v as object).length <= 1),
  );
  return Object.fromEntries(kept.map(([keyword, v]) => [keyword, readable(v, shared)]));
}

const JUDGING = new Set([
  'pattern',
  'format',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'maxItems',
  'minItems',
  'enum',
  'propertyNames',
  'default',
]);

function lean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lean);
  if (value === null || typeof value !== 'object') return value;
  const schema = value as JsonSchema;
  const union = schema.anyOf;
  if (Array.isArray(union) && union.length === 2 && (union[1] as JsonSchema).type === 'null') {
    return { ...(lean(union[0]) as JsonSchema), nullable: true };
  }
  const out: JsonSchema = {};
  for (const [keyword, v] of Object.entries(schema)) {
    if (keyword === 'properties') {
      out.properties = Object.fromEntries(
        Object.entries(v as JsonSchema).map(([name, s]) => [name, lean(s)]),
      );
    } else if (!JUDGING.has(keyword)) out[keyword] = lean(v);
  }
  return out;
}
