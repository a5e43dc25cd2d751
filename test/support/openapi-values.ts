/** Values that a schema of the document takes, drawn by a seed. */
import fc from 'fast-check';
import type { OpenApiDocument } from '../../api/openapi/document.ts';
import type { JsonSchema } from '../../schemas/json-schema.ts';
import { resolve } from './openapi-operations.ts';
import type { SeededRandom } from './seeded-random.ts';

const SAMPLES = 8;
const MAX_DEPTH = 8;

export interface ValueMaker {
  /** A value that the schema takes; `known` is asked first, by property name and schema. */
  valid(schema: JsonSchema): unknown;
}

export function valueMaker(
  document: OpenApiDocument,
  random: SeededRandom,
  seed: number,
  known: (name: string, schema: JsonSchema) => unknown = () => undefined,
): ValueMaker {
  const matching = new Map<string, readonly string[]>();
  const fromPattern = (pattern: string): string => {
    let samples = matching.get(pattern);
    if (!samples) {
      samples = fc.sample(fc.stringMatching(new RegExp(pattern)), { numRuns: SAMPLES, seed });
      matching.set(pattern, samples);
    }
    return random.pick(samples);
  };

  const make = (raw: JsonSchema, name: string, depth: number): unknown => {
    const schema = resolve(document, raw);
    const given = known(name, schema);
    if (given !== undefined && random.chance(0.8)) return given;
    const examples = schema.examples as unknown[] | undefined;
    if (examples && random.chance(0.5)) return random.pick(examples);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.pick(schema.enum as unknown[]);
    const union = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
    if (union) return make(depth > MAX_DEPTH ? union.at(-1)! : random.pick(union), name, depth + 1);
    const type = Array.isArray(schema.type) ? random.pick(schema.type as string[]) : schema.type;
    switch (type) {
      case 'null':
        return null;
      case 'boolean':
        return random.chance(0.5);
      case 'integer':
      case 'number': {
        const low = (schema.minimum as number | undefined) ?? 0;
        const high = Math.min((schema.maximum as number | undefined) ?? low + 1_000, low + 1_000);
        return low + random.below(high - low + 1);
      }
      case 'array': {
        const low = (schema.minItems as number | undefined) ?? 0;
        const length = low + random.below(3);
        return Array.from({ length }, () => make(schema.items as JsonSchema, name, depth + 1));
      }
      case 'string':
        return text(schema);
      case 'object':
        return object(schema, depth);
      default:
        return random.pick([null, 1, 'any', [true], { any: 'json' }]);
    }
  };

  const text = (schema: JsonSchema): string => {
    switch (schema.format) {
      case 'date-time':
        return random.pick(['2030-01-01T00:00:00Z', '2026-01-31T23:59:59.999+02:00', '2020-02-29T12:00:00Z']);
      case 'ipv4':
        return '203.0.113.7';
      case 'ipv6':
        return '2001:db8::7';
      case 'cidrv4':
        return '10.0.0.0/8';
      case 'cidrv6':
        return '2001:db8::/32';
    }
    if (typeof schema.pattern === 'string') return fromPattern(schema.pattern);
    const low = (schema.minLength as number | undefined) ?? 1;
    return 'plain text'.repeat(1 + low / 10).slice(0, Math.max(low, 1 + random.below(10)));
  };

  const object = (schema: JsonSchema, depth: number): Record<string, unknown> => {
    const value: Record<string, unknown> = {};
    const required = new Set((schema.required ?? []) as string[]);
    for (const [key, property] of Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>)) {
      if (required.has(key) || random.chance(0.5)) value[key] = make(property, key, depth + 1);
    }
    const more = schema.additionalProperties;
    if (more && typeof more === 'object' && random.chance(0.5))
      value.extra = make(more as JsonSchema, 'extra', depth + 1);
    return value;
  };

  return { valid: (schema) => make(schema, '', 0) };
}
