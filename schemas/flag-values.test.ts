import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionSchema, mistyped, rolloutSchema, whenSchema } from './flag-values.ts';

const messagesOf = (result: {
  error?: { issues: readonly { path: readonly PropertyKey[]; message: string }[] };
}) => (result.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);

test('the value of a condition is what its operator takes, and the message names the operator', () => {
  const condition = (is: string, value: unknown) =>
    messagesOf(conditionSchema.safeParse({ attribute: 'age', is, value }));
  assert.deepEqual(condition('greater_than', 5), []);
  assert.match(condition('greater_than', '5')[0]!, /^value: greater_than: /);
  assert.match(condition('in', ['a', {}])[0]!, /^value\.1: in: /);
  assert.match(condition('in', [])[0]!, /^value: in: /);
  assert.match(condition('after', 'yesterday')[0]!, /^value: after: /);
});

test('no condition reads what is injected', () => {
  for (const attribute of ['$flagd.timestamp', '', 'a..b', 'a.b.c.d.e.f', 'a b']) {
    assert.equal(
      conditionSchema.safeParse({ attribute, is: 'exists', value: true }).success,
      false,
      attribute,
    );
  }
});

test('conditions are bounded in depth and number', () => {
  const leaf = { attribute: 'a', is: 'exists', value: true };
  const deep = (levels: number): object => (levels === 1 ? leaf : { not: deep(levels - 1) });
  assert.equal(whenSchema.safeParse(deep(5)).success, true);
  assert.equal(whenSchema.safeParse(deep(6)).success, false);
  const many = (count: number) => ({ any: [{ all: Array(count).fill(leaf) }, leaf] });
  assert.equal(whenSchema.safeParse(many(99)).success, true);
  assert.equal(whenSchema.safeParse(many(100)).success, false);
});

test('a rollout names each variant once', () => {
  const rollout = (...variants: string[]) =>
    rolloutSchema.safeParse({
      by: 'targetingKey',
      exposure: 5,
      weights: variants.map((variant) => ({ variant, weight: 1 })),
    });
  assert.equal(rollout('on', 'off').success, true);
  assert.equal(rollout('on', 'on').success, false);
  assert.equal(rollout().success, false);
});

test('variants of another type are named', () => {
  assert.deepEqual(mistyped('boolean', { on: true, odd: 'x' }), ['odd']);
  assert.deepEqual(mistyped('json', { a: {}, b: [], c: null }), ['b', 'c']);
});
