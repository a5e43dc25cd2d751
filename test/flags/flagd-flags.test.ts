/** What flagd is given of a flag says what this process answers: flagd-core and our engine both are asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluationContext } from '@openfeature/core';
import { FlagdCore } from '@openfeature/flagd-core';
import fc from 'fast-check';
import { compileProgram } from '../../commands/flags/compile-program.ts';
import { evaluate } from '../../commands/flags/engine/evaluate.ts';
import { flagProgram } from '../../commands/flags/flag-program.ts';
import { flagdFlag } from '../../commands/flags/flagd-flag.ts';
import { compileSegments } from '../../commands/flags/segments.ts';
import {
  type Condition,
  conditionOperators,
  type FlagSettings,
  flagSettingsSchema,
  type When,
} from '../../schemas/flag-values.ts';

const FLAGS = 300;
const CONTEXTS = 20;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const variants = { on: true, off: false, blue: true };
const variant = fc.constantFrom('on', 'off', 'blue');
const word = fc.constantFrom('a', 'ab', 'pro', 'free', 'jane@example.com', '');

const values: Readonly<Partial<Record<Condition['is'], fc.Arbitrary<Condition['value']>>>> = {
  equals: fc.oneof(word, fc.boolean(), fc.integer({ min: 0, max: 3 })),
  not_equals: word,
  in: fc.array(word, { minLength: 1, maxLength: 10 }),
  not_in: fc.array(word, { minLength: 1, maxLength: 3 }),
  exists: fc.boolean(),
};
const condition = fc
  .constantFrom(...(Object.keys(conditionOperators) as Condition['is'][]))
  .filter((is) => !/matches|before|after/.test(is))
  .chain((is): fc.Arbitrary<When> => {
    const number = /^(greater|less)_/.test(is);
    const versioned = is.startsWith('version_');
    const attribute = number ? 'age' : versioned ? 'version' : fc.constantFrom('plan', 'email', 'user.id');
    const value =
      values[is] ??
      (number ? fc.integer({ min: 0, max: 40 }) : versioned ? fc.constantFrom('1.0.0', '2.1.0') : word);
    return fc.record({
      attribute: typeof attribute === 'string' ? fc.constant(attribute) : attribute,
      is: fc.constant(is),
      value,
    });
  });
const { when } = fc.letrec<{ when: When }>((tie) => ({
  when: fc.oneof(
    { maxDepth: 2 },
    condition,
    fc.constant<When>({ segment: 'outer' }),
    fc.array(tie('when'), { minLength: 1, maxLength: 3 }).map((all): When => ({ all })),
    fc.array(tie('when'), { minLength: 1, maxLength: 3 }).map((any): When => ({ any })),
    tie('when').map((not): When => ({ not })),
  ),
}));
const serve = fc.oneof(
  fc.record({ variant }),
  fc.record({
    rollout: fc.record({
      by: fc.constantFrom('targetingKey', 'user.id'),
      exposure: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom(0, 100_000)),
      weights: fc.uniqueArray(fc.record({ variant, weight: fc.integer({ min: 1, max: 100_000 }) }), {
        minLength: 1,
        selector: (part) => part.variant,
      }),
    }),
  }),
);
const settings = fc
  .record({
    mode: fc.constantFrom('on', 'on', 'on', 'off', 'killed'),
    offVariant: variant,
    targets: fc.array(
      fc.record({ variant, keys: fc.array(fc.constantFrom('u1', 'u2', 'u3'), { minLength: 1 }) }),
      {
        maxLength: 2,
      },
    ),
    rules: fc
      .array(fc.record({ when, serve }), { maxLength: 4 })
      .map((rules) => rules.map((rule, n) => ({ id: `r${n}`, ...rule }))),
    fallthrough: fc.oneof(serve, fc.constant({ codeDefault: true as const })),
  })
  .map((given): FlagSettings => flagSettingsSchema.parse({ ...given, prerequisites: [] }));
const context = fc.record(
  {
    targetingKey: fc.constantFrom('', 'u1', 'u2', 'u3', 'u4', 'u5', 'u6'),
    plan: fc.oneof(word, fc.constantFrom(null, 2, true)),
    email: fc.oneof(word, fc.constantFrom(null, 2, true)),
    age: fc.integer({ min: 0, max: 40 }),
    version: fc.constantFrom('1.0.0', '2.1.3', '2.0.0-rc.1', 'none'),
    user: fc.record({ id: fc.constantFrom('x1', 'x2', 'x3') }),
  },
  { requiredKeys: [] },
);

test(`${FLAGS * CONTEXTS} answers are flagd's, through segments and prerequisites`, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      settings,
      settings,
      fc.tuple(condition, when),
      fc.array(context, { minLength: CONTEXTS, maxLength: CONTEXTS }),
      (own, base, [inner, outer], contexts) => {
        const usesItself = JSON.stringify(outer).includes('segment');
        const segments = compileSegments(
          new Map<string, When>([
            ['inner', inner],
            ['outer', usesItself ? { not: { segment: 'inner' } } : { any: [outer, { segment: 'inner' }] }],
          ]),
        );
        const flags = {
          base: { key: 'base', variants, seed: 'fl_base', settings: base },
          flag: {
            key: 'flag',
            variants,
            seed: 'fl_flag',
            settings: { ...own, prerequisites: [{ flag: 'base', variants: ['on', 'blue'] }] },
          },
        };
        const around = { flag: (key: string) => flags[key as 'base'], segments };
        const programs = Object.values(flags).map((flag) => flagProgram(flag, around));
        const set = JSON.stringify({
          flags: Object.fromEntries(programs.map((program) => [program.key, flagdFlag(program)])),
          $evaluators: segments.evaluators,
        });
        const oracle = new FlagdCore(undefined, quiet);
        oracle.setConfigurations(set);
        for (const program of programs) {
          assert.deepEqual(program.unportable, []);
          const compiled = compileProgram(program, segments.evaluators);
          for (const given of contexts) {
            const answer = compiled.evaluate(given, 0);
            const flagd = evaluate(set, program.key, 'boolean', given, { now: 0 });
            const theirs = oracle.resolveBooleanEvaluation(
              program.key,
              'none' as never,
              given as EvaluationContext,
              quiet,
            );
            const said = `${JSON.stringify(flags)} with ${JSON.stringify(given)}`;
            assert.deepEqual([answer.value, answer.variant], [flagd.value, flagd.variant], said);
            assert.deepEqual([answer.value ?? 'none', answer.variant], [theirs.value, theirs.variant], said);
            assert.equal(answer.errorCode, undefined, said);
            seen.add(answer.reason);
          }
        }
      },
    ),
    { numRuns: FLAGS, seed: 20261125 },
  );
  assert.deepEqual([...seen].sort(), ['DEFAULT', 'SPLIT', 'STATIC', 'TARGETING_MATCH']);
});
