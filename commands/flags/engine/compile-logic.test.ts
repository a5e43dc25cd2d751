import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../../schemas/json.ts';
import { compileLogic } from './compile-logic.ts';
import { MAX_ITEMS } from './operators/lists.ts';

const run = (rule: Json, context: JsonObject = {}, evaluators: JsonObject = {}): unknown =>
  compileLogic(rule, { flagKey: 'flag', evaluators }).evaluate(context, {
    context,
    nowSeconds: 1_700_000_000,
    itemsLeft: MAX_ITEMS,
  });

type Row = readonly [rule: Json, answer: unknown, context?: JsonObject];
const rows: Readonly<Record<string, readonly Row[]>> = {
  'what is no rule is passed through': [
    [7, 7],
    ['a', 'a'],
    [null, null],
    [{}, {}],
    [
      { a: 1, b: 2 },
      { a: 1, b: 2 },
    ],
    [['a', { var: 'x' }], ['a', 1], { x: 1 }],
  ],
  'if takes the first branch that holds': [
    [{ if: [true, 'a', 'b'] }, 'a'],
    [{ if: [false, 'a', 'b'] }, 'b'],
    [{ if: [false, 'a', false, 'b', 'c'] }, 'c'],
    [{ if: [false, 'a', true, 'b', 'c'] }, 'b'],
    [{ if: [false, 'a'] }, null],
    [{ if: ['a'] }, 'a'],
    [{ if: [] }, null],
    [{ '?:': [true, 1, 2] }, 1],
  ],
  'what is empty is false, and the text 0 is not': [
    [{ '!!': [[]] }, false],
    [{ '!!': [''] }, false],
    [{ '!!': [0] }, false],
    [{ '!!': ['0'] }, true],
    [{ '!!': { var: 'x' } }, false, { x: {} }],
    [{ '!!': { var: 'x' } }, true, { x: { a: 1 } }],
    [{ '!': [[]] }, true],
    [{ '!': true }, false],
  ],
  'and and or answer with an operand': [
    [{ and: [1, 'a'] }, 'a'],
    [{ and: [0, 'a'] }, 0],
    [{ and: [[], 'a'] }, []],
    [{ or: [0, 'a'] }, 'a'],
    [{ or: [0, false] }, false],
    [{ and: [{ '===': [1, 1] }, { '===': [1, 2] }] }, false],
    [{ or: [{ '===': [1, 2] }, { '===': [1, 1] }] }, true],
  ],
  'equality is soft or strict': [
    [{ '==': [1, '1'] }, true],
    [{ '!=': [1, '1'] }, false],
    [{ '===': [1, '1'] }, false],
    [{ '!==': [1, '1'] }, true],
    [{ '===': [{ var: 'x' }, null] }, true],
    [{ '===': ['a', { var: 'x' }] }, true, { x: 'a' }],
    [{ '==': [{ var: 'x' }, 'a'] }, false, { x: true }],
  ],
  'order compares two, or whether one lies between': [
    [{ '>': [2, 1] }, true],
    [{ '>=': [1, 1] }, true],
    [{ '<': ['a', 'b'] }, true],
    [{ '<=': [2, 1] }, false],
    [{ '<': [0, 1, 2] }, true],
    [{ '<': [0, 2, 2] }, false],
    [{ '<=': [0, 2, 2] }, true],
    [{ '>': [{ var: 'age' }, 17] }, false],
  ],
  'in looks into lists and texts, and into nothing else': [
    [{ in: ['b', 'abc'] }, true],
    [{ in: ['b', ['a', 'b']] }, true],
    [{ in: [{ var: 'x' }, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']] }, true, { x: 'h' }],
    [{ in: [{ var: 'x' }, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']] }, false, { x: 'z' }],
    [{ in: ['', ''] }, false],
    [{ in: ['b', null] }, false],
    [{ in: ['b', 5] }, false],
  ],
  'var reads paths, defaults and whole contexts': [
    [{ var: 'a.b' }, 1, { a: { b: 1 } }],
    [{ var: 'a.1' }, 'y', { a: ['x', 'y'] }],
    [{ var: ['a.b', 7] }, 7, { a: {} }],
    [{ var: ['a', { var: 'b' }] }, 2, { b: 2 }],
    [{ var: 'a\\.b' }, 1, { 'a.b': 1 }],
    [{ var: { if: [true, 'a', 'b'] } }, 1, { a: 1 }],
    [{ var: '' }, { a: 1 }, { a: 1 }],
    [{ var: [] }, { a: 1 }, { a: 1 }],
    [{ var: 'a.length' }, null, { a: 'text' }],
    [{ var: '$flagd.flagKey' }, 'flag', { $flagd: { flagKey: 'mine' } }],
    [{ var: '$flagd.timestamp' }, 1_700_000_000],
    [{ var: '$flagd' }, { flagKey: 'flag', timestamp: 1_700_000_000 }],
    [{ var: '$flagd.other' }, null],
  ],
  'missing names what is absent or empty': [
    [{ missing: ['a', 'b'] }, ['b'], { a: 1 }],
    [{ missing: { merge: ['a', 'b'] } }, ['a', 'b'], { a: '' }],
    [{ missing_some: [1, ['a', 'b']] }, [], { a: 1 }],
    [{ missing_some: [2, ['a', 'b', 'c']] }, ['b', 'c'], { a: 1 }],
  ],
  'numbers are calculated with': [
    [{ '+': [1, '2', 3] }, 6],
    [{ '+': '3.5' }, 3.5],
    [{ '-': [5, 2] }, 3],
    [{ '-': ['2'] }, -2],
    [{ '*': [2, 3, '4'] }, 24],
    [{ '/': [6, 4] }, 1.5],
    [{ '%': [7, 3] }, 1],
    [{ min: [3, 1, 2] }, 1],
    [{ max: [3, 1, 2] }, 3],
  ],
  'texts are put together and cut': [
    [{ cat: ['a', 1, null, true] }, 'a1true'],
    [{ cat: 'a' }, 'a'],
    [{ substr: ['jsonlogic', 4] }, 'logic'],
    [{ substr: ['jsonlogic', -5] }, 'logic'],
    [{ substr: ['jsonlogic', 1, 3] }, 'son'],
    [{ substr: ['jsonlogic', 4, -2] }, 'log'],
    [{ starts_with: ['abc', 'ab'] }, true],
    [{ ends_with: ['abc', 'ab'] }, false],
    [{ starts_with: [{ var: 'n' }, 'ab'] }, null, { n: 5 }],
    [{ ends_with: ['abc'] }, null],
    [{ log: 'a' }, 'a'],
  ],
  'lists are looked through': [
    [{ map: [{ var: 'l' }, { '*': [{ var: '' }, 2] }] }, [2, 4], { l: [1, 2] }],
    [{ filter: [{ var: 'l' }, { '>': [{ var: 'n' }, 1] }] }, [{ n: 2 }], { l: [{ n: 1 }, { n: 2 }] }],
    [
      { reduce: [{ var: 'l' }, { '+': [{ var: 'current' }, { var: 'accumulator' }] }, 10] },
      13,
      { l: [1, 2] },
    ],
    [{ all: [{ var: 'l' }, { '>': [{ var: '' }, 0] }] }, true, { l: [1, 2] }],
    [{ all: [[], true] }, false],
    [{ none: [[], true] }, true],
    [{ some: [{ var: 'l' }, { '===': [{ var: '' }, 2] }] }, true, { l: [1, 2] }],
    [{ some: [{ var: 'x' }, true] }, false],
    [{ map: [{ var: 'x' }, 1] }, []],
    [{ merge: [[1], 2, [3, [4]]] }, [1, 2, 3, [4]]],
  ],
  'versions are compared': [
    [{ sem_ver: [{ var: 'v' }, '>=', '2.0.0'] }, true, { v: '2.1.0' }],
    [{ sem_ver: [{ var: 'v' }, '>=', '2.0.0'] }, null, { v: 'new' }],
    [{ sem_ver: ['1.0.0', { var: 'op' }, '2.0.0'] }, true, { op: '<' }],
    [{ sem_ver: ['1.0.0', '===', '1.0.0'] }, null],
    [{ sem_ver: ['1.0.0', '='] }, null],
  ],
  'instants are compared': [
    [{ before: [{ var: 'at' }, '2026-01-01T00:00:00Z'] }, true, { at: '2025-12-31T23:30:00+00:00' }],
    [{ before: [{ var: 'at' }, '2026-01-01T00:00:00Z'] }, false, { at: '2025-12-31T23:30:00-01:00' }],
    [{ after: [{ var: 'at' }, '2026-01-01'] }, true, { at: 1_800_000_000 }],
    [{ after: [{ var: 'at' }, '2026-01-01'] }, null, { at: 'yesterday' }],
    [{ after: ['2026-01-01'] }, null],
  ],
  'texts match regular expressions': [
    [{ matches: [{ var: 'email' }, '@example\\.com$'] }, true, { email: 'jane@example.com' }],
    [{ matches: [{ var: 'email' }, '@example\\.com$'] }, false, { email: 'jane@example.org' }],
    [{ matches: [{ var: 'email' }, '@example\\.com$'] }, null, { email: 5 }],
  ],
  'shared evaluators stand where they are named': [
    [{ if: [{ $ref: 'staff' }, 'a', 'b'] }, 'a', { email: 'jane@example.com' }],
    [{ if: [{ $ref: 'nobody' }, 'a', 'b'] }, 'b', { email: 'jane@example.com' }],
  ],
};

for (const [says, cases] of Object.entries(rows)) {
  test(says, () => {
    const evaluators = {
      staff: { ends_with: [{ var: 'email' }, '@example.com'] },
      nobody: { '!': { $ref: 'staff' } },
    };
    for (const [rule, answer, context] of cases) {
      assert.deepEqual(run(rule, context, evaluators), answer, JSON.stringify(rule));
    }
  });
}

test('what every object has is no attribute', () => {
  for (const name of ['constructor', 'toString', '__proto__', 'a.constructor', 'constructor.name']) {
    assert.equal(run({ var: name }, { a: {} }), null, name);
  }
  assert.equal(run({ var: 'constructor' }, JSON.parse('{"constructor":"own"}')), 'own');
});

test('a rule that cannot be compiled says what is wrong', () => {
  const deep = Array.from({ length: 70 }).reduce<Json>((rule) => ({ '!': rule }), true);
  const wide = { and: Array.from({ length: 10_001 }, () => ({ '!': true })) };
  for (const [rule, says] of [
    [{ unknown: [1] }, /no operator "unknown"/],
    [{ if: [false, { unknown: [1] }] }, /no operator "unknown"/],
    [{ constructor: [1] }, /no operator "constructor"/],
    [{ $ref: 'none' }, /"none", which is no shared evaluator/],
    [{ $ref: 'self' }, /self refers to itself/],
    [{ matches: ['a', '('] }, /the pattern "\(" is none/],
    [{ matches: ['a', { var: 'x' }] }, /a pattern of at most/],
    [{ matches: ['a', 'a'.repeat(1_001)] }, /a pattern of at most/],
    [deep, /more than 64 deep/],
    [wide, /more than 10000 operators/],
  ] as const) {
    const options = { flagKey: 'flag', evaluators: { self: { '!': { $ref: 'self' } } } };
    assert.throws(() => compileLogic(rule as Json, options), { name: 'InvalidRule', message: says });
  }
});

test('no rule holds the process up: items and texts are bounded', () => {
  const l = Array.from({ length: 200 }, (_, n) => n);
  const inside: Json = { some: [{ var: 'l' }, { '===': [{ var: '' }, -1] }] };
  assert.throws(
    () => run({ map: [{ var: 'm' }, inside] }, { m: Array.from({ length: 200 }, () => ({ l })) }),
    /items of lists/,
  );
  const doubled = { cat: [{ var: 'accumulator' }, { var: 'accumulator' }] };
  assert.throws(() => run({ reduce: [{ var: 'l' }, doubled, 'a'] }, { l }), /characters/);
  const merged = { merge: [{ var: 'accumulator' }, { var: 'accumulator' }] };
  assert.throws(() => run({ reduce: [{ var: 'l' }, merged, [1]] }, { l }), /items of lists/);
});

test('it is known of a rule whether time alone changes its answer', () => {
  const reads = (rule: Json) => compileLogic(rule, { flagKey: 'flag' }).readsClock;
  assert.equal(reads({ '>': [{ var: '$flagd.timestamp' }, 5] }), true);
  assert.equal(reads({ var: '$flagd' }), true);
  assert.equal(reads({ var: '$flagd.flagKey' }), false);
  assert.equal(reads({ var: 'timestamp' }), false);
});
