/**
 * Whether the data of an event may change under the same version. It has two kinds of readers: those of the
 * last release (consumers of Kafka, and our own processes while an upgrade is on its way), who read new
 * events by the schema that they know; and this release, which reads events that have been in the log for
 * years. So within a version nothing may change but words, and an optional field where the object is open.
 */
import { isDeepStrictEqual } from 'node:util';
import { PERSONAL } from '../schemas/events/event-schema.ts';
import { alternativesOf } from '../schemas/events/samples.ts';
import type { JsonSchema } from '../schemas/json-schema.ts';

export const rules = {
  'field-removed': 'it is gone, and whoever reads this version counts on it',
  'required-field-added': 'it is new, and events in the log do not have it',
  'field-added-to-closed':
    'it is new, and a process of the last release takes no field that it does not know',
  'became-optional': 'it may be missing now, and whoever reads this version counts on it',
  'became-required': 'it must be there now, and events in the log may lack it',
  'became-nullable': 'it may be null now, and whoever reads this version counts on a value',
  'no-longer-nullable': 'it may not be null any more, and in events in the log it may be',
  'type-changed': 'it has another type',
  'value-added': 'it may have a value now that whoever reads this version does not know',
  'value-removed': 'it may not have a value any more that events in the log may have',
  'bounds-changed': 'other values are allowed now',
  'openness-changed': 'whether there may be other fields has changed',
  'personal-changed': 'whether, or for whom, it is encrypted has changed',
} as const;
export type Rule = keyof typeof rules;

export interface Break {
  /** `limits[].name`; empty: the data as a whole. */
  readonly field: string;
  readonly rule: Rule;
  /** What exactly, where the rule alone does not tell. */
  readonly detail: string;
}

/** What stands between the two schemas of one version: none where whoever reads one can read the other. */
export function breaksBetween(was: JsonSchema, now: JsonSchema, field = ''): Break[] {
  const [before, after] = [alternativesOf(was), alternativesOf(now)];
  const found: Break[] = [];
  const tell = (rule: Rule, detail = '') => found.push({ field, rule, detail });
  if (!isDeepStrictEqual(was[PERSONAL], now[PERSONAL])) tell('personal-changed');
  if (after.nullable && !before.nullable) tell('became-nullable');
  if (before.nullable && !after.nullable) tell('no-longer-nullable');
  const [left, right] = [before.alternatives, after.alternatives];
  if (left.length !== right.length) tell('type-changed', `${typesOf(left)} → ${typesOf(right)}`);
  else for (const [at, one] of left.entries()) found.push(...breaksOfOne(one, right[at]!, field));
  return found;
}

/** Words for people, and what is compared by rules of its own. */
const APART = new Set([
  ...['description', 'title', 'examples', 'default', 'deprecated', '$comment'],
  ...[PERSONAL, 'type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items'],
]);

function breaksOfOne(was: JsonSchema, now: JsonSchema, field: string): Break[] {
  if (was.type !== now.type) {
    return [{ field, rule: 'type-changed', detail: `${typesOf([was])} → ${typesOf([now])}` }];
  }
  const found: Break[] = [];
  const tell = (rule: Rule, detail = '') => found.push({ field, rule, detail });
  const [before, after] = [valuesOf(was), valuesOf(now)];
  const open = 'any value';
  for (const value of after ?? (before ? [open] : [])) {
    if (before && !before.includes(value)) tell('value-added', value);
  }
  for (const value of before ?? (after ? [open] : [])) {
    if (after && !after.includes(value)) tell('value-removed', value);
  }
  const keywords = new Set([...Object.keys(was), ...Object.keys(now)].filter((name) => !APART.has(name)));
  for (const keyword of keywords) {
    if (isDeepStrictEqual(was[keyword], now[keyword])) continue;
    tell('bounds-changed', `${keyword} ${JSON.stringify(was[keyword])} → ${JSON.stringify(now[keyword])}`);
  }
  if (was.items || now.items) {
    found.push(
      ...breaksBetween((was.items ?? {}) as JsonSchema, (now.items ?? {}) as JsonSchema, `${field}[]`),
    );
  }
  if (was.type === 'object') found.push(...breaksOfObject(was, now, field));
  return found;
}

function breaksOfObject(was: JsonSchema, now: JsonSchema, field: string): Break[] {
  const found: Break[] = [];
  const [before, after] = [fieldsOf(was), fieldsOf(now)];
  const [rest, restNow] = [was.additionalProperties ?? {}, now.additionalProperties ?? {}];
  const nameOf = (name: string) => (field === '' ? name : `${field}.${name}`);
  for (const [name, { schema, required }] of before) {
    const same = after.get(name);
    if (!same) found.push({ field: nameOf(name), rule: 'field-removed', detail: '' });
    else {
      if (required && !same.required)
        found.push({ field: nameOf(name), rule: 'became-optional', detail: '' });
      if (!required && same.required)
        found.push({ field: nameOf(name), rule: 'became-required', detail: '' });
      found.push(...breaksBetween(schema, same.schema, nameOf(name)));
    }
  }
  for (const [name, { required }] of after) {
    if (before.has(name)) continue;
    if (required) found.push({ field: nameOf(name), rule: 'required-field-added', detail: '' });
    else if (rest === false) found.push({ field: nameOf(name), rule: 'field-added-to-closed', detail: '' });
  }
  if ((rest === false) !== (restNow === false)) found.push({ field, rule: 'openness-changed', detail: '' });
  else if (typeof rest === 'object' && typeof restNow === 'object') {
    found.push(...breaksBetween(rest as JsonSchema, restNow as JsonSchema, nameOf('*')));
  }
  return found;
}

function fieldsOf(schema: JsonSchema) {
  const required = new Set((schema.required ?? []) as readonly string[]);
  const properties = Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>);
  return new Map(
    properties.map(([name, property]) => [name, { schema: property, required: required.has(name) }]),
  );
}

/** Null: not a closed set. */
function valuesOf(schema: JsonSchema): readonly string[] | null {
  if ('const' in schema) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : null;
}

function typesOf(alternatives: readonly JsonSchema[]): string {
  return alternatives.map(({ type }) => String(type ?? 'anything')).join(' | ') || 'null';
}
