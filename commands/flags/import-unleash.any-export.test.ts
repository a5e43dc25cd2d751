/** Whatever an Unleash export may say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  flagKeySchema,
  flagKindSchema,
  flagSettingsSchema,
  mistyped,
  tagsSchema,
  variantsSchema,
  whenSchema,
} from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { servedBy } from '../../schemas/served-variants.ts';
import { importUnleash } from './import-unleash.ts';

const names = fc.constantFrom<Json>(
  'f',
  'g',
  'a b',
  '',
  'x'.repeat(120),
  '__proto__',
  'constructor',
  7,
  null,
);
const word = fc.constantFrom<Json>(
  'constructor',
  'a',
  '1',
  '10.0.0.0/9',
  '',
  '(',
  '1.2.3',
  '2026-01-01',
  '99999999999999999999',
  5,
  null,
  [],
);
const field = fc.constantFrom<Json>(
  'userId',
  'plan',
  'a.b',
  'currentTime',
  'remoteAddress',
  '$flagd',
  'constructor',
  3,
);
const operator = fc.constantFrom<Json>(
  ...'IN NOT_IN STR_STARTS_WITH STR_ENDS_WITH STR_CONTAINS NUM_EQ NUM_GT DATE_AFTER DATE_BEFORE SEMVER_EQ REGEX IN_CIDR ODD'.split(
    ' ',
  ),
);
const list = (one: fc.Arbitrary<Json>) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.array(one, { maxLength: 4 }) as fc.Arbitrary<Json> },
    { weight: 1, arbitrary: word },
  );
const record = (fields: Record<string, fc.Arbitrary<Json>>) =>
  fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Json>;
const anyConstraint = record({
  contextName: field,
  operator,
  values: list(word),
  value: word,
  inverted: fc.boolean(),
  caseInsensitive: fc.boolean(),
});
const anyVariant = record({
  name: names,
  weight: fc.constantFrom<Json>(0, 1, 500.4, -3, '7'),
  stickiness: field,
  payload: record({
    type: fc.constantFrom<Json>('string', 'json', 'number', 'csv', 1),
    value: fc.constantFrom<Json>('x', '{"a":1}', '3', 3, null),
  }),
  overrides: list(record({ contextName: field, values: list(word) })),
});
const anyStrategy = record({
  featureName: names,
  name: fc.constantFrom<Json>(
    'default',
    'flexibleRollout',
    'userWithId',
    'remoteAddress',
    'gradualRolloutRandom',
    'odd',
    1,
  ),
  parameters: record({
    rollout: word,
    stickiness: field,
    groupId: word,
    userIds: word,
    IPs: word,
    percentage: word,
  }),
  constraints: list(anyConstraint),
  segments: list(fc.constantFrom<Json>(1, 2, 'x')),
  variants: list(anyVariant),
  disabled: fc.boolean(),
});
const anyExport = record({
  features: list(
    record({
      name: names,
      type: word,
      enabled: fc.boolean(),
      strategies: list(anyStrategy),
      variants: list(anyVariant),
      dependencies: list(record({ feature: names, variants: list(names), enabled: fc.boolean() })),
    }),
  ),
  featureStrategies: list(anyStrategy),
  featureEnvironments: list(
    record({ featureName: names, environment: names, enabled: fc.boolean(), variants: list(anyVariant) }),
  ),
  featureTags: list(record({ featureName: names, tagType: word, tagValue: word })),
  segments: list(
    record({ id: fc.constantFrom<Json>(1, 2, 'x'), name: names, constraints: list(anyConstraint) }),
  ),
  dependencies: list(
    record({ feature: names, dependencies: list(record({ feature: names, variants: list(names) })) }),
  ),
});

test('whatever JSON comes in, what goes out is flags and segments as they are here', () => {
  let flagsSeen = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        { weight: 9, arbitrary: anyExport },
        { weight: 1, arbitrary: fc.jsonValue() as fc.Arbitrary<Json> },
      ),
      (given) => {
        const { environments, segments } = importUnleash(given);
        for (const { when } of segments) whenSchema.parse(when);
        for (const { key, type, kind, tags, variants, settings } of environments.flatMap(
          ({ flags }) => flags,
        )) {
          flagKeySchema.parse(key);
          flagKindSchema.parse(kind);
          tagsSchema.parse(tags);
          flagSettingsSchema.parse(settings);
          variantsSchema.parse(variants);
          assert.deepEqual(mistyped(type, variants), []);
          for (const [path, name] of servedBy(settings))
            assert.ok(Object.hasOwn(variants, name), `${path}: ${name}`);
          flagsSeen += 1;
        }
      },
    ),
    { numRuns: 4_000, seed: 20261125 },
  );
  assert.ok(flagsSeen > 500, `${flagsSeen}`);
});
