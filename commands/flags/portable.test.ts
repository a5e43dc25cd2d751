import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { unportableIn } from './portable.ts';

const none = () => [];
const at = 'email';

test('what flagd has no operator for is named, once', () => {
  const matches: When = { attribute: at, is: 'matches', value: 'x' };
  const before: When = { attribute: at, is: 'before', value: '2026-01-01T00:00:00Z' };
  const plain: When = { attribute: at, is: 'ends_with', value: 'x' };
  assert.deepEqual(unportableIn(plain, none), []);
  assert.deepEqual(unportableIn({ any: [matches, plain, { not: before }, matches] }, none), [
    'matches',
    'before',
  ]);
  assert.deepEqual(
    unportableIn({ all: [plain, { segment: 's' }] }, (key) => (key === 's' ? ['after'] : [])),
    ['after'],
  );
});

test('JsonLogic that was imported is looked through', () => {
  const said = (logic: Json) => unportableIn({ logic }, none);
  assert.deepEqual(said({ and: [{ '===': [{ var: at }, 'a'] }, { in: [{ var: at }, ['a', 1]] }] }), []);
  assert.deepEqual(said({ '==': [{ var: at }, 'a'] }), ['==']);
  assert.deepEqual(said({ '!': [{ '+': [1, 2] }] }), ['+']);
  assert.deepEqual(said({ in: ['a', { var: at }] }), ['in']);
  assert.deepEqual(said({ '>': [{ var: '$flagd.timestamp' }, 5] }), ['var']);
  assert.deepEqual(said({ '===': [{ var: [at, 'x'] }, 'x'] }), ['var']);
  assert.deepEqual(said({ '===': [{ a: 1, b: 2 }, 1] }), ['a']);
});
