/**
 * Our engine against `@openfeature/flagd-core`, the evaluator of flagd for JavaScript, over the part of
 * JsonLogic that every flagd evaluates alike. Left out is what that package does in its own way: it hashes
 * UTF-16 units, so texts are ASCII here, and soft comparisons of unlike types throw.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluationContext } from '@openfeature/core';
import { FlagdCore } from '@openfeature/flagd-core';
import fc from 'fast-check';
import { evaluate } from '../../commands/flags/engine/evaluate.ts';
import type { Json } from '../../schemas/json.ts';

const FLAGS = 1_200;
const CONTEXTS = 30;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

const text = fc.string({ unit: 'grapheme-ascii', maxLength: 12 });
const word = fc.constantFrom('', 'a', 'ab', 'abc', 'pro', 'free', 'jane@example.com', 'de', '1', 'true');
const version = fc.constantFrom(
  '1.0.0',
  '1.2.3',
  'v1.2.3',
  '2.0.0-rc.1',
  '2.0.0',
  '2',
  '2.1',
  '1.0.0+b',
  'x',
  '01.0.0',
);
const textual = fc.constantFrom('email', 'plan', 'country', 'version', 'user.id', 'absent');
const read = (name: string): Json => ({ var: name });
const logic = (operator: string, ...args: Json[]): Json => ({ [operator]: args });

const { rule } = fc.letrec<{ condition: Json; rule: Json }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'condition' },
    fc
      .tuple(
        fc.constantFrom('===', '!=='),
        textual,
        fc.oneof(word, fc.integer({ min: 0, max: 3 }), fc.boolean()),
      )
      .map(([operator, name, value]) => logic(operator, read(name), value)),
    fc
      .tuple(textual, fc.uniqueArray(word, { maxLength: 12 }))
      .map(([name, members]) => logic('in', read(name), members)),
    fc
      .tuple(fc.constantFrom('starts_with', 'ends_with'), textual, word)
      .map(([operator, name, part]) => logic(operator, read(name), part)),
    fc
      .tuple(fc.constantFrom('=', '!=', '<', '<=', '>', '>=', '^', '~', '=='), version)
      .map(([operator, than]) => logic('sem_ver', read('version'), operator, than)),
    fc
      .tuple(fc.constantFrom('>', '>=', '<', '<='), fc.integer({ min: -3, max: 40 }))
      .map(([operator, than]) => logic(operator, read('age'), than)),
    textual.map((name) => logic('!!', read(name))),
    tie('condition').map((operand) => logic('!', operand)),
    fc
      .tuple(fc.constantFrom('and', 'or'), fc.array(tie('condition'), { minLength: 1, maxLength: 3 }))
      .map(([operator, operands]) => logic(operator, ...operands)),
  ) as fc.Arbitrary<Json>,
  rule: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'rule' },
    fc.constantFrom<Json>('on', 'off', 'blue', null, 'no such variant'),
    fc
      .array(fc.tuple(tie('condition'), tie('rule')), { minLength: 1, maxLength: 4 })
      .chain((branches) => tie('rule').map((otherwise) => logic('if', ...branches.flat(), otherwise))),
    fc
      .tuple(word, textual, buckets(tie('rule')), tie('rule'))
      .map(([seed, by, dealt, otherwise]) =>
        logic(
          'if',
          logic('!!', read(by)),
          logic('fractional', logic('cat', seed, read(by)), ...dealt),
          otherwise,
        ),
      ),
    buckets(tie('rule')).map((dealt) => logic('fractional', ...dealt)),
  ) as fc.Arbitrary<Json>,
}));

function buckets(answer: fc.Arbitrary<Json>): fc.Arbitrary<readonly Json[]> {
  const weight = fc.constantFrom(-5, 0, 1, 25, 50, 100_000, 2_000_000_000);
  return fc.array(
    fc.oneof(
      answer.map((variant) => [variant]),
      fc.tuple(answer, weight),
    ),
    { minLength: 1, maxLength: 4 },
  );
}

const awkward = fc.constantFrom<Json>(null, 5, 1.5, true, '');
const context = fc.record(
  {
    targetingKey: fc.oneof(text, fc.constant('')),
    email: fc.oneof(word, text, awkward),
    plan: fc.oneof(word, awkward),
    country: word,
    version: fc.oneof(version, fc.constantFrom(1, 2.1)),
    age: fc.oneof(fc.integer({ min: -3, max: 40 }), fc.double({ min: -3, max: 40, noNaN: true })),
    user: fc.record({ id: text }),
  },
  { requiredKeys: [] },
);

test(`${FLAGS * CONTEXTS} evaluations of the portable part agree with flagd-core`, () => {
  let compared = 0;
  const reasons = new Set<string>();
  fc.assert(
    fc.property(
      rule,
      fc.constantFrom('on', 'off', null),
      fc.array(context, { minLength: CONTEXTS, maxLength: CONTEXTS }),
      (targeting, defaultVariant, contexts) => {
        const variants = { on: true, off: false, blue: true };
        const flag = { state: 'ENABLED', variants, defaultVariant, targeting, metadata: { team: 'a' } };
        const set = JSON.stringify({ flags: { flag }, metadata: { version: '7' } });
        const oracle = new FlagdCore(undefined, quiet);
        oracle.setConfigurations(set);
        for (const given of contexts) {
          const theirs = oracle.resolveBooleanEvaluation(
            'flag',
            'none' as never,
            given as EvaluationContext,
            quiet,
          );
          const ours = evaluate(set, 'flag', 'boolean', given, { now: 0 });
          assert.deepEqual(
            { ...ours, value: ours.value ?? 'none', errorMessage: null },
            { ...theirs, errorMessage: null },
            `${JSON.stringify(targeting)} with ${JSON.stringify(given)}`,
          );
          reasons.add(ours.errorCode ?? ours.reason);
          compared += 1;
        }
      },
    ),
    { numRuns: FLAGS, seed: 20261125 },
  );
  assert.ok(compared >= 36_000);
  // Rules that only ever say one thing would agree as well.
  assert.deepEqual([...reasons].sort(), ['DEFAULT', 'GENERAL', 'STATIC', 'TARGETING_MATCH']);
});
