/** Flags, segments and contexts as fast-check makes them up; what is portable, so that flagd can be asked, too. */
import fc from 'fast-check';
import {
  type Condition,
  conditionOperators,
  type FlagSettings,
  flagSettingsSchema,
  type When,
} from '../../schemas/flag-values.ts';

export const variants = { on: true, off: false, blue: true };
const variant = fc.constantFrom('on', 'off', 'blue');
const word = fc.constantFrom('a', 'ab', 'pro', 'free', 'jane@example.com', '');

const values: Readonly<Partial<Record<Condition['is'], fc.Arbitrary<Condition['value']>>>> = {
  equals: fc.oneof(word, fc.boolean(), fc.integer({ min: 0, max: 3 })),
  not_equals: word,
  in: fc.array(word, { minLength: 1, maxLength: 10 }),
  not_in: fc.array(word, { minLength: 1, maxLength: 3 }),
  exists: fc.boolean(),
};
export const condition = fc
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
export const { when } = fc.letrec<{ when: When }>((tie) => ({
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
export const settings = fc
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
export const context = fc.record(
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

/** Two segments, the outer of which may name the inner, and nothing else. */
export const segments = fc.tuple(condition, when).map(([inner, outer]) => {
  const usesItself = JSON.stringify(outer).includes('segment');
  return new Map<string, When>([
    ['inner', inner],
    ['outer', usesItself ? { not: { segment: 'inner' } } : { any: [outer, { segment: 'inner' }] }],
  ]);
});
