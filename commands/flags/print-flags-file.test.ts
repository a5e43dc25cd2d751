import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, flagsFileSchema } from '../../schemas/flags-file.ts';
import { settings, segments as someSegments } from '../../test/flags/generated-flags.ts';
import { parseFlagsFile } from './flags-file.ts';
import { printFlagsFile } from './print-flags-file.ts';

const key = fc.oneof(
  fc.constantFrom('on', 'off', 'true', 'null', '1', '2', '0x1', '1e3', 'constructor', 'no', 'y'),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,5}$/),
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    'on',
    '25%',
    '*a',
    '&a',
    '- x',
    '# y',
    'a: b',
    ' x ',
    '\n',
    '~',
    '2026-01-01',
    '<<',
    "'",
    '"',
  ),
);
const json = fc.dictionary(
  text.filter((name) => name !== '__proto__'),
  fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(text),
  ),
  { maxKeys: 3, noNullPrototype: true },
);
const values = {
  boolean: fc.boolean(),
  string: text,
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  json,
} as const;

/** Settings that name other variants. */
const renamed = fc
  .tuple(
    settings,
    fc.uniqueArray(key, { minLength: 3, maxLength: 3 }),
    fc.constantFrom('boolean', 'string', 'number', 'json'),
  )
  .chain(([given, names, type]) => {
    const named = (name: string) => names[['on', 'off', 'blue'].indexOf(name)] ?? name;
    const said = JSON.parse(
      JSON.stringify(given, (field, value) =>
        (field === 'variant' || field === 'offVariant') && typeof value === 'string' ? named(value) : value,
      ),
    ) as typeof given;
    return fc.tuple(...names.map(() => values[type] as fc.Arbitrary<unknown>)).map((of) => ({
      type,
      variants: Object.fromEntries(names.map((name, i) => [name, of[i]])),
      settings: said,
    }));
  });

const flag = fc
  .record({
    of: renamed,
    environments: fc.uniqueArray(fc.constantFrom('live', 'test', '1', 'off'), { maxLength: 3 }),
    kind: fc.constantFrom('release', 'experiment', 'ops', 'permission'),
    owner: fc.record({
      team: fc.constantFrom(null, 'payments', '1'),
      person: fc.constantFrom(null, 'jane', 'true'),
    }),
    tags: fc.uniqueArray(fc.constantFrom('a', '1', 'team:b'), { maxLength: 2 }),
    clientVisible: fc.boolean(),
    permanent: fc.boolean(),
    expiresAt: fc.constantFrom(null, '2027-01-01T00:00:00Z', '2027-01-01T09:30:00.5+02:00'),
    jsonSchema: fc.constantFrom(null, { type: 'object', title: 'Any' }),
    requires: fc.array(fc.record({ flag: key, variants: fc.array(key, { minLength: 1, maxLength: 2 }) }), {
      maxLength: 3,
    }),
    logic: fc.option(json, { nil: null }),
  })
  .map(({ of, environments, requires, logic, ...flag }): FlagOfFile => {
    const { type, variants, settings: one } = of;
    const own = {
      ...one,
      prerequisites: requires,
      ...(logic && { fallthrough: { logic, otherwise: Object.keys(variants)[0]! } }),
    };
    return {
      ...flag,
      type,
      variants,
      jsonSchema: type === 'json' ? flag.jsonSchema : null,
      environments: Object.fromEntries(environments.map((environment) => [environment, own])),
    } as FlagOfFile;
  });
const file: fc.Arbitrary<FlagsFile> = fc
  .record({
    project: fc.constantFrom('shop', '1', 'on'),
    segments: fc.dictionary(
      fc.constantFrom('live', 'off'),
      someSegments.map((map) => Object.fromEntries(map) as Record<string, When>),
      { noNullPrototype: true },
    ),
    flags: fc.dictionary(key, flag, { maxKeys: 4, noNullPrototype: true }),
  })
  .map((given) => flagsFileSchema.parse(given));

test('what is written is read as what it was', () => {
  let flags = 0;
  fc.assert(
    fc.property(file, (given) => {
      const written = printFlagsFile(given);
      const { file: read, faults } = parseFlagsFile(written);
      assert.deepEqual(faults, undefined, written);
      assert.deepEqual(read, given, written);
      flags += Object.keys(given.flags).length;
    }),
    { numRuns: 400, seed: 20261125 },
  );
  assert.ok(flags > 400);
});

test('it is written as a person would', () => {
  const text = `project: shop
segments:
  production:
    staff:
      attribute: email
      is: ends_with
      value: "@example.com"
flags:
  new-checkout:
    type: boolean
    kind: release
    owner:
      team: payments
    tags:
      - checkout
    expiresAt: 2027-01-31
    variants:
      on: true
      off: false
    environments:
      production:
        off: off
        requires:
          payments-v2:
            - on
        targets:
          on:
            - user-1
        rules:
          - id: staff
            when:
              segment: staff
            serve: on
          - id: half
            when:
              attribute: plan
              is: equals
              value: pro
            rollout:
              exposure: 50%
              by: company
        rollout: 25%
`;
  const { file, faults } = parseFlagsFile(text);
  assert.deepEqual(faults, undefined);
  assert.equal(printFlagsFile(file!), text);
});
