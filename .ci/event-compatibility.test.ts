import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { eventCatalogue } from '../schemas/events/catalogue.ts';
import { eventSchema } from '../schemas/events/event-schema.ts';
import type { JsonSchema } from '../schemas/json-schema.ts';
import { personal } from '../schemas/personal.ts';
import { breaksBetween, type Rule, rules } from './event-compatibility.ts';

const schemaOf = (shape: z.ZodRawShape, strict = true) =>
  eventSchema({ schema: strict ? z.strictObject(shape) : z.looseObject(shape) });
const told = (was: JsonSchema, now: JsonSchema) =>
  breaksBetween(was, now).map(({ field, rule }) => `${field || '-'} ${rule}`);

test('a schema that only gained words breaks nobody', () => {
  const was = schemaOf({ a: z.string(), b: personal(z.string(), 'a') });
  const now = schemaOf({ a: z.string().describe('the first'), b: personal(z.string(), 'a') });
  assert.deepEqual(told(was, now), []);
  for (const definition of eventCatalogue.values()) {
    assert.deepEqual(told(eventSchema(definition), eventSchema(definition)), []);
  }
});

test('an optional field may be added where the object is open, and nowhere else', () => {
  const more = { a: z.string(), b: z.string().optional() };
  assert.deepEqual(told(schemaOf({ a: z.string() }, false), schemaOf(more, false)), []);
  assert.deepEqual(told(schemaOf({ a: z.string() }), schemaOf(more)), ['b field-added-to-closed']);
});

/** Each rule, by a change that it alone catches. */
const changes: Readonly<Record<Rule, readonly [was: z.ZodRawShape, now: z.ZodRawShape, field: string]>> = {
  'field-removed': [{ a: z.string(), b: z.string() }, { a: z.string() }, 'b'],
  'required-field-added': [{ a: z.string() }, { a: z.string(), b: z.string() }, 'b'],
  'field-added-to-closed': [{ a: z.string() }, { a: z.string(), b: z.string().optional() }, 'b'],
  'became-optional': [{ a: z.string() }, { a: z.string().optional() }, 'a'],
  'became-required': [{ a: z.string().optional() }, { a: z.string() }, 'a'],
  'became-nullable': [{ a: z.string() }, { a: z.string().nullable() }, 'a'],
  'no-longer-nullable': [{ a: z.string().nullable() }, { a: z.string() }, 'a'],
  'type-changed': [{ a: z.array(z.string()) }, { a: z.array(z.int()) }, 'a[]'],
  'value-added': [{ a: z.enum(['x', 'y']) }, { a: z.enum(['x', 'y', 'z']) }, 'a'],
  'value-removed': [{ a: z.enum(['x', 'y']) }, { a: z.enum(['x']) }, 'a'],
  'bounds-changed': [{ a: z.string().max(10) }, { a: z.string().max(20) }, 'a'],
  'openness-changed': [{ a: z.strictObject({}) }, { a: z.looseObject({}) }, 'a'],
  'personal-changed': [{ a: z.string().nullable() }, { a: personal(z.string()) }, 'a'],
};

for (const rule of Object.keys(rules) as Rule[]) {
  test(`within a version it is a break: ${rule}`, () => {
    const [was, now, field] = changes[rule];
    assert.deepEqual(told(schemaOf(was), schemaOf(now)), [`${field} ${rule}`]);
    // However deep it is.
    const nested = (shape: z.ZodRawShape) => schemaOf({ deep: z.array(z.strictObject(shape)).nullable() });
    if (rule !== 'personal-changed') {
      assert.deepEqual(told(nested(was), nested(now)), [`deep[].${field} ${rule}`]);
    }
  });
}

test('a type, a bound, a value or a subject that changed is told with what it was and is', () => {
  const shown = (was: z.ZodRawShape, now: z.ZodRawShape) =>
    breaksBetween(schemaOf(was), schemaOf(now)).map(({ rule, detail }) => `${rule}: ${detail}`);
  assert.deepEqual(shown({ a: z.string() }, { a: z.union([z.string(), z.int()]) }), [
    'type-changed: string → string | integer',
  ]);
  assert.deepEqual(shown({ a: z.int().min(1) }, { a: z.int().min(0) }), ['bounds-changed: minimum 1 → 0']);
  assert.deepEqual(shown({ a: z.enum(['x']) }, { a: z.string() }), ['value-added: any value']);
  assert.deepEqual(shown({ a: z.literal('x') }, { a: z.literal('y') }), [
    'value-added: "y"',
    'value-removed: "x"',
  ]);
  assert.deepEqual(
    told(
      schemaOf({ a: z.string(), b: personal(z.string(), 'a') }),
      schemaOf({ a: z.string(), b: personal(z.string()) }),
    ),
    ['b personal-changed'],
  );
});

test('no keyword of any event can be taken away or added unseen', () => {
  let tried = 0;
  for (const [type, definition] of eventCatalogue) {
    const was = eventSchema(definition);
    for (const path of keywordsOf(was)) {
      const now = structuredClone(was);
      const parent = path.slice(0, -1).reduce((at, step) => at[step] as JsonSchema, now);
      delete parent[path.at(-1)!];
      assert.notDeepEqual(told(was, now), [], `${type}: ${path.join('.')} is gone`);
      assert.notDeepEqual(told(now, was), [], `${type}: ${path.join('.')} is new`);
      tried += 1;
    }
  }
  assert.ok(tried > 300, String(tried));
});

/** Where something stands that says more than nothing would, by the steps that lead there. */
function keywordsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const saysNothing =
      name === 'description' || (name === 'additionalProperties' && typeof member === 'object');
    const own = Array.isArray(value) || saysNothing ? [] : [[...path, name]];
    return [...own, ...keywordsOf(member, [...path, name])];
  });
}
