import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_CONTEXT_ATTRIBUTES,
  MAX_CONTEXT_CHARS,
  MAX_CONTEXT_DEPTH,
} from '../../schemas/commands/ofrep.ts';
import { canonicalForm, contextOf } from './evaluation-context.ts';

test('a context that is not there is empty, and other fields are ignored', () => {
  for (const body of [undefined, {}, { context: null }, { context: {}, flags: ['a'] }]) {
    assert.deepEqual(contextOf(body), {});
  }
  assert.deepEqual(contextOf({ context: { targetingKey: 'jane', plan: 'pro' } }), {
    targetingKey: 'jane',
    plan: 'pro',
  });
});

test('what is no context is told', () => {
  const cases: [unknown, RegExp][] = [
    [[], /body is an object/],
    ['a', /body is an object/],
    [null, /body is an object/],
    [{ context: [] }, /`context` is an object/],
    [{ context: 'jane' }, /`context` is an object/],
    [{ context: { targetingKey: 17 } }, /`targetingKey` is a text/],
  ];
  for (const [body, why] of cases) assert.match(String(contextOf(body)), why);
});

test('a context is within its limits to the last attribute, character and level, and refused beyond', () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
  const lists = (levels: number): unknown => (levels === 0 ? 1 : [lists(levels - 1)]);
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`a${n}`, n]));
  const refused = (context: unknown) => typeof contextOf({ context }) === 'string';
  assert.equal(refused(nested(MAX_CONTEXT_DEPTH)), false);
  assert.match(String(contextOf({ context: nested(MAX_CONTEXT_DEPTH + 1) })), /8 levels/);
  assert.equal(refused({ a: lists(MAX_CONTEXT_DEPTH) }), true);
  assert.equal(refused(many(MAX_CONTEXT_ATTRIBUTES)), false);
  assert.match(String(contextOf({ context: many(MAX_CONTEXT_ATTRIBUTES + 1) })), /500 attributes/);
  assert.equal(refused({ list: Array(MAX_CONTEXT_ATTRIBUTES).fill(0) }), true);
  assert.equal(refused({ a: 'x'.repeat(MAX_CONTEXT_CHARS - 1) }), false);
  assert.match(String(contextOf({ context: { a: 'x'.repeat(MAX_CONTEXT_CHARS) } })), /32768 characters/);
});

const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'json' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
    fc.string({ unit: fc.constantFrom('a', 'b', '1', ':', '"', '{', '}', '[', ']', ';', 'n', 't', 'ß') }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '1', '1:a', 'n', ''), tie('value'), { maxKeys: 3 }),
  ),
})).value;

test('two values have one canonical form exactly when they are equal', () => {
  const isEqual = (one: unknown, other: unknown) => {
    try {
      assert.deepStrictEqual(one, other);
      return true;
    } catch {
      return false;
    }
  };
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(json, json, (a, b) => {
      const [one, other] = [plain(a), plain(b)];
      assert.equal(canonicalForm(one) === canonicalForm(other), isEqual(one, other));
    }),
    { numRuns: 3_000 },
  );
});

test('the order of attributes does not count, at any depth; the order of a list does', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([name, inner]) => [name, shuffled(inner)]),
    );
  };
  fc.assert(fc.property(json, (value) => canonicalForm(value) === canonicalForm(shuffled(value))));
  assert.notEqual(canonicalForm({ a: [1, 2] }), canonicalForm({ a: [2, 1] }));
  assert.notEqual(canonicalForm({ a: '1' }), canonicalForm({ a: 1 }));
  assert.notEqual(canonicalForm({ a: { b: 1 } }), canonicalForm({ a: 1, b: 1 }));
});
