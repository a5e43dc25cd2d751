import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FlagSettings,
  flagSettingsSchema,
  type Rollout,
  WHOLE,
  type When,
} from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import { type CompiledProgram, compileProgram } from './compile-program.ts';
import { type FlagInEnvironment, flagProgram } from './flag-program.ts';
import { compileSegments } from './segments.ts';

const variants = { on: true, off: false, blue: true };
const settingsOf = (more: Partial<FlagSettings> = {}): FlagSettings =>
  flagSettingsSchema.parse({
    mode: 'on',
    offVariant: 'off',
    prerequisites: [],
    targets: [],
    rules: [],
    fallthrough: { variant: 'on' },
    ...more,
  });
const flagOf = (settings: Partial<FlagSettings> = {}, key = 'flag'): FlagInEnvironment => ({
  key,
  variants,
  seed: `fl_${key}`,
  settings: settingsOf(settings),
});
function compiled(
  flag: FlagInEnvironment,
  others: readonly FlagInEnvironment[] = [],
  rules: Readonly<Record<string, When>> = {},
): CompiledProgram {
  const byKey = new Map([flag, ...others].map((one) => [one.key, one]));
  const segments = compileSegments(new Map(Object.entries(rules)));
  return compileProgram(flagProgram(flag, { flag: (key) => byKey.get(key), segments }), segments.evaluators);
}
const variantOf = (flag: CompiledProgram, context: JsonObject = {}) => flag.evaluate(context, 0).variant;
const rolloutOf = (exposure: number, weights: Rollout['weights']): Partial<FlagSettings> => ({
  fallthrough: { rollout: { by: 'targetingKey', exposure, weights } },
});
const users = Array.from({ length: 20_000 }, (_, n) => ({ targetingKey: `user-${n}` }));
const two: Rollout['weights'] = [
  { variant: 'on', weight: 1 },
  { variant: 'blue', weight: 1 },
];

test('prerequisites come first, then targets, rules in their order, and what is left', () => {
  const isPro: When = { attribute: 'plan', is: 'equals', value: 'pro' };
  const flag = compiled(
    flagOf({
      prerequisites: [{ flag: 'base', variants: ['on'] }],
      targets: [{ variant: 'blue', keys: ['jane'] }],
      rules: [
        { id: 'pro', when: isPro, serve: { variant: 'on' } },
        { id: 'pro again', when: isPro, serve: { variant: 'blue' } },
      ].map((rule) => ({ ...rule, id: rule.id.replace(' ', '-') })) as FlagSettings['rules'],
      fallthrough: { variant: 'off' },
    }),
    [
      flagOf(
        {
          rules: [
            {
              id: 'blocked',
              when: { attribute: 'blocked', is: 'exists', value: true },
              serve: { variant: 'off' },
            },
          ],
        },
        'base',
      ),
    ],
  );
  const reasonOf = (context: JsonObject) => {
    const { variant, reason, trace } = flag.explain(context, 0);
    const { part, id } = trace.at(-1)!;
    return [variant, reason, part, id];
  };
  assert.deepEqual(reasonOf({ blocked: true, targetingKey: 'jane' }), [
    'off',
    'DEFAULT',
    'prerequisite',
    'base',
  ]);
  assert.deepEqual(reasonOf({ targetingKey: 'jane', plan: 'pro' }), [
    'blue',
    'TARGETING_MATCH',
    'target',
    'blue',
  ]);
  assert.deepEqual(reasonOf({ plan: 'pro' }), ['on', 'TARGETING_MATCH', 'rule', 'pro']);
  assert.deepEqual(reasonOf({}), ['off', 'DEFAULT', 'fallthrough', null]);
});

test('off and killed serve the off variant, whatever else is set', () => {
  for (const mode of ['off', 'killed'] as const) {
    const flag = compiled(flagOf({ mode, targets: [{ variant: 'blue', keys: ['jane'] }] }));
    const { variant, reason, trace } = flag.explain({ targetingKey: 'jane' }, 0);
    assert.deepEqual([variant, reason, trace], ['off', 'STATIC', []]);
  }
});

test('what is left may be the default in the code', () => {
  const answer = compiled(flagOf({ fallthrough: { codeDefault: true } })).evaluate({}, 0);
  assert.deepEqual([answer.value, answer.variant, answer.reason], [undefined, undefined, 'DEFAULT']);
});

test('a ramp from 10 to 50 % flips nobody who was exposed, and takes in others', () => {
  const [before, after] = [10_000, 50_000].map((exposure) => compiled(flagOf(rolloutOf(exposure, two))));
  let exposed = 0;
  for (const user of users) {
    const was = variantOf(before!, user);
    if (was === 'off') continue;
    exposed += 1;
    assert.equal(variantOf(after!, user), was);
  }
  assert.ok(exposed > 1_800);
  assert.ok(users.filter((user) => variantOf(after!, user) !== 'off').length > 9_500);
});

test('at 10 % each variant has its share, within five standard deviations', () => {
  const flag = compiled(flagOf(rolloutOf(10_000, [...two, { variant: 'off', weight: 2 }])));
  const counts = new Map<string | undefined, number>();
  for (const user of users) {
    const { variant, bucket } = flag.explain(user, 0);
    if (bucket!.gate!.bucket < bucket!.gate!.exposure) counts.set(variant, (counts.get(variant) ?? 0) + 1);
  }
  for (const [variant, share] of [
    ['on', 0.025],
    ['blue', 0.025],
    ['off', 0.05],
  ] as const) {
    const deviation = Math.sqrt(users.length * share * (1 - share));
    assert.ok(
      Math.abs(counts.get(variant)! - users.length * share) < 5 * deviation,
      `${variant}: ${counts.get(variant)}`,
    );
  }
});

test('nobody is exposed at 0, everybody at 100,000, and who has no such attribute gets the off variant', () => {
  const [none, all] = [0, WHOLE].map((exposure) => compiled(flagOf(rolloutOf(exposure, two))));
  for (const user of users.slice(0, 500)) {
    assert.equal(variantOf(none!, user), 'off');
    assert.notEqual(variantOf(all!, user), 'off');
  }
  const { variant, bucket } = all!.explain({ targetingKey: '' }, 0);
  assert.deepEqual([variant, bucket!.key], ['off', null]);
});

test('the seed alone decides who is in which bucket: a copy of a flag serves everybody alike', () => {
  const flag = flagOf(rolloutOf(30_000, two));
  const [own, copy, other] = [flag, { ...flag, key: 'copy' }, { ...flag, seed: 'fl_other' }].map((one) =>
    compiled(one),
  );
  const answers = (of: CompiledProgram) => users.slice(0, 500).map((user) => variantOf(of, user));
  assert.deepEqual(answers(own!), answers(copy!));
  assert.notDeepEqual(answers(own!), answers(other!));
});

test('the buckets that an explanation names are those that decided', () => {
  const flag = compiled(flagOf(rolloutOf(30_000, two)));
  for (const user of users.slice(0, 500)) {
    const { variant, bucket } = flag.explain(user, 0);
    const { gate, split } = bucket!;
    const expected = gate!.bucket >= gate!.exposure ? 'off' : split!.bucket === 0 ? 'on' : 'blue';
    assert.equal(variant, expected);
  }
});

test('prerequisites in a circle, too deep, or on nothing are refused', () => {
  const requires = (key: string, flag: string) =>
    flagOf({ prerequisites: [{ flag, variants: ['on'] }] }, key);
  assert.throws(() => compiled(requires('a', 'b'), [requires('b', 'a')]), /in a circle: a → b → a/);
  assert.throws(() => compiled(requires('a', 'b')), /prerequisite b is no flag/);
  const chain = Array.from({ length: 7 }, (_, n) => requires(`f${n}`, `f${n + 1}`));
  assert.throws(() => compiled(chain[0]!, [...chain.slice(1), flagOf({}, 'f7')]), /more than 5 deep/);
});

test('segments stand in segments, but not in a circle, too deep, or for nothing', () => {
  const inSegment = (segment: string) =>
    flagOf({ rules: [{ id: 'r', when: { segment }, serve: { variant: 'blue' } }] });
  const staff: When = { attribute: 'email', is: 'ends_with', value: '@example.com' };
  const flag = compiled(inSegment('inner'), [], {
    staff,
    inner: { all: [{ segment: 'staff' }, { not: { attribute: 'plan', is: 'equals', value: 'free' } }] },
  });
  assert.equal(variantOf(flag, { email: 'jane@example.com' }), 'blue');
  assert.equal(variantOf(flag, { email: 'jane@example.com', plan: 'free' }), 'on');
  assert.throws(() => compiled(inSegment('none')), /no segment none/);
  assert.throws(
    () => compiled(flagOf(), [], { a: { segment: 'b' }, b: { segment: 'a' } }),
    /circle: a → b → a/,
  );
  const deep = Object.fromEntries(
    Array.from({ length: 8 }, (_, n) => [`s${n}`, n === 7 ? staff : { segment: `s${n + 1}` }]),
  );
  assert.throws(() => compiled(flagOf(), [], deep), /more than 5 deep/);
});

test('a variant that is none is an error and no crash', () => {
  const answer = compiled(flagOf({ fallthrough: { variant: 'gone' } })).evaluate({}, 0);
  assert.deepEqual([answer.errorCode, answer.value], ['GENERAL', undefined]);
});
