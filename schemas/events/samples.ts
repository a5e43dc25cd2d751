/**
 * Two samples of what a JSON Schema of ours describes: one with everything filled in, one as bare as it may
 * be. The same each time, so that documents and records made from them do not change by themselves.
 */
import type { JsonSchema } from '../json-schema.ts';

type Fill = 'full' | 'bare';

/** What a reader expects of a field of this name, where its schema takes it. */
const BY_NAME: Readonly<Record<string, string>> = {
  ownerId: 'customer-42',
  subject: 'customer-42',
  slug: 'acme',
  scopes: 'invoices:read',
  permissions: 'keys:read',
  projection: 'keys',
  route: 'POST /v1/keys/verify',
};
const BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  uuid: '4f0c1d2e-5a6b-5c7d-8e9f-a0b1c2d3e4f5',
  ipv4: '192.0.2.7',
  ipv6: '2001:db8::7',
  cidrv4: '192.0.2.0/24',
  cidrv6: '2001:db8::/32',
};
/** For a pattern: the first that fits. */
const CANDIDATES = [
  'key_3q2Y7wAbCdEf',
  `tnt_${'0'.repeat(31)}1`,
  `chg_${'0'.repeat(31)}1`,
  'keys:read',
  'burst',
  '0123456789abcdef',
];

/** The full one, then the bare one. */
export function samplesOf(schema: JsonSchema): readonly unknown[] {
  return [sample(schema, 'value', 'full'), sample(schema, 'value', 'bare')];
}

/** What a schema allows, null left out. */
export function alternativesOf(schema: JsonSchema): {
  readonly alternatives: readonly JsonSchema[];
  readonly nullable: boolean;
} {
  const { anyOf, oneOf, type, ...rest } = schema;
  const branches = (anyOf ?? oneOf) as readonly JsonSchema[] | undefined;
  const all = branches
    ? branches.flatMap((branch) => flat(branch))
    : Array.isArray(type)
      ? type.map((one) => ({ ...rest, type: one }))
      : [schema];
  const alternatives = all.filter((one) => one.type !== 'null');
  return { alternatives, nullable: alternatives.length < all.length };
}

function flat(branch: JsonSchema): readonly JsonSchema[] {
  const { alternatives, nullable } = alternativesOf(branch);
  return nullable ? [...alternatives, { type: 'null' }] : alternatives;
}

function sample(schema: JsonSchema, name: string, fill: Fill): unknown {
  const { alternatives, nullable } = alternativesOf(schema);
  if (alternatives.length === 0 || (nullable && fill === 'bare')) return null;
  const one = alternatives[0]!;
  if ('const' in one) return one.const;
  if (Array.isArray(one.enum)) return fill === 'full' ? one.enum[0] : one.enum.at(-1);
  switch (one.type) {
    case 'object':
      return sampleObject(one, fill);
    case 'array':
      return sampleArray(one, name, fill);
    case 'string':
      return sampleString(one, name);
    case 'integer':
    case 'number':
      return sampleNumber(one, fill);
    case 'boolean':
      return fill === 'full';
    default:
      return fill === 'full' ? 'anything' : null;
  }
}

function sampleObject(schema: JsonSchema, fill: Fill): Record<string, unknown> {
  const { properties, additionalProperties } = schema;
  const required = (schema.required ?? []) as readonly string[];
  const fields = Object.entries((properties ?? {}) as Record<string, JsonSchema>)
    .filter(([name]) => fill === 'full' || required.includes(name))
    .map(([name, property]) => [name, sample(property, name, fill)] as const);
  if (fields.length === 0 && fill === 'full' && typeof additionalProperties === 'object') {
    return { team: sample(additionalProperties as JsonSchema, 'team', fill) };
  }
  return Object.fromEntries(fields);
}

function sampleArray(schema: JsonSchema, name: string, fill: Fill): unknown[] {
  const items = (schema.items ?? {}) as JsonSchema;
  const { alternatives } = alternativesOf(items);
  if (fill === 'full') return alternatives.map((one) => sample(one, name, fill));
  const least = typeof schema.minItems === 'number' ? schema.minItems : 0;
  return Array.from({ length: least }, () => sample(items, name, fill));
}

function sampleString(schema: JsonSchema, name: string): string {
  const { format, pattern } = schema as { format?: string; pattern?: string };
  if (format !== undefined && BY_FORMAT[format] !== undefined) return BY_FORMAT[format];
  const words = BY_NAME[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  if (pattern === undefined) return words;
  const fitting = [words, ...CANDIDATES].find((text) => new RegExp(pattern).test(text));
  if (fitting === undefined) {
    throw new Error(
      `no sample fits ${pattern} of ${name}: add one to CANDIDATES in schemas/events/samples.ts`,
    );
  }
  return fitting;
}

function sampleNumber(schema: JsonSchema, fill: Fill): number {
  const least = typeof schema.minimum === 'number' ? schema.minimum : 0;
  const most = typeof schema.maximum === 'number' ? schema.maximum : Number.MAX_SAFE_INTEGER;
  return fill === 'bare' ? least : Math.min(Math.max(least, 60), most);
}
