/** Flags files as fast-check makes them up, with whatever names and texts YAML may stumble over. */
import fc from 'fast-check';
import type { When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, flagsFileSchema } from '../../schemas/flags-file.ts';
import { settings, segments as someSegments } from './generated-flags.ts';

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
export const flagsFile: fc.Arbitrary<FlagsFile> = fc
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
