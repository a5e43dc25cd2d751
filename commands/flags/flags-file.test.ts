import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_FLAGS_FILE_CHARACTERS, parseFlagsFile } from './flags-file.ts';

const fileOf = (text: string) => {
  const { file, faults } = parseFlagsFile(text);
  assert.deepEqual(faults, undefined);
  return file!;
};
const faultsOf = (text: string) =>
  (parseFlagsFile(text).faults ?? []).map(({ line, path, message }) => `${line} ${path}: ${message}`);
const settingsOf = (settings: string, variants = '') =>
  fileOf(
    `project: shop\nflags:\n  f:\n${variants ? `    variants: ${variants}\n` : ''}    environments:\n      live: ${settings}\n`,
  ).flags.f!.environments.live!;
const faultsIn = (settings: string) =>
  faultsOf(
    `project: shop\nflags:\n  f:\n    environments:\n      live:\n${settings.replace(/^/gm, '        ')}\n`,
  );

test('a flag that says only where it is served is a boolean release flag', () => {
  assert.deepEqual(fileOf('project: shop\nflags:\n  f:\n    environments:\n      live: {serve: on}\n'), {
    project: 'shop',
    segments: {},
    flags: {
      f: {
        type: 'boolean',
        variants: { on: true, off: false },
        kind: 'release',
        owner: { team: null, person: null },
        tags: [],
        clientVisible: false,
        expiresAt: null,
        permanent: false,
        jsonSchema: null,
        environments: {
          live: {
            mode: 'on',
            offVariant: 'off',
            prerequisites: [],
            targets: [],
            rules: [],
            fallthrough: { variant: 'on' },
          },
        },
      },
    },
  });
});

test('a share alone rolls out the other variant, by the targeting key', () => {
  const rollout = { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] };
  assert.deepEqual(settingsOf('{rollout: 25%}').fallthrough, { rollout });
  assert.deepEqual(settingsOf('{rollout: 0.125 %}').fallthrough, { rollout: { ...rollout, exposure: 125 } });
  assert.deepEqual(
    settingsOf('{rollout: {by: user.id, weights: {b: 1, a: 3}}}', '{a: x, b: y, off: z}').fallthrough,
    {
      rollout: {
        by: 'user.id',
        exposure: 100_000,
        weights: [
          { variant: 'b', weight: 1 },
          { variant: 'a', weight: 3 },
        ],
      },
    },
  );
});

test('rules, targets and prerequisites may be said as maps, lists and single values', () => {
  const said = settingsOf(`
        mode: off
        requires: {base: on, other: [a, true]}
        targets: {on: [u1, 42], off: u2}
        rules:
          - when: {attribute: plan, is: equals, value: pro}
            serve: on
          - id: second
            when: [{attribute: age, greater_than: 18}, {segment: staff}, {not: [{attribute: x, exists: true}]}]
            rollout: 50%
        codeDefault: true`);
  assert.equal(said.mode, 'off');
  assert.deepEqual(said.prerequisites, [
    { flag: 'base', variants: ['on'] },
    { flag: 'other', variants: ['a', 'true'] },
  ]);
  assert.deepEqual(said.targets, [
    { variant: 'on', keys: ['u1', '42'] },
    { variant: 'off', keys: ['u2'] },
  ]);
  assert.deepEqual(said.rules, [
    { id: 'rule-1', when: { attribute: 'plan', is: 'equals', value: 'pro' }, serve: { variant: 'on' } },
    {
      id: 'second',
      when: {
        all: [
          { attribute: 'age', is: 'greater_than', value: 18 },
          { segment: 'staff' },
          { not: { all: [{ attribute: 'x', is: 'exists', value: true }] } },
        ],
      },
      serve: { rollout: { by: 'targetingKey', exposure: 50_000, weights: [{ variant: 'on', weight: 1 }] } },
    },
  ]);
  assert.deepEqual(said.fallthrough, { codeDefault: true });
});

test('imported logic stays as it is, and variants called true and false are theirs', () => {
  const variants = '{"true": true, "false": false}';
  assert.deepEqual(settingsOf('{logic: {"!!": [{var: plan}]}, otherwise: false}', variants).fallthrough, {
    logic: { '!!': [{ var: 'plan' }] },
    otherwise: 'false',
  });
  assert.deepEqual(settingsOf('{serve: true}', variants).fallthrough, { variant: 'true' });
});

test('the type may be left to the variants, and a date is its first moment', () => {
  const { flags } = fileOf(
    'project: p\nflags:\n  n: {variants: {a: 1, off: 2.5}, expiresAt: 2027-01-31}\n  j: {variants: {off: {}, b: {x: [1]}}, permanent: true}\n',
  );
  assert.deepEqual(
    [flags.n!.type, flags.n!.expiresAt, flags.j!.type, flags.j!.permanent],
    ['number', '2027-01-31T00:00:00Z', 'json', true],
  );
});

test('a fault has the line and the path that the text has', () => {
  assert.deepEqual(faultsIn('serve: blue'), [
    '6 flags.f.environments.live.serve: blue is no variant of the flag',
  ]);
  assert.deepEqual(faultsIn('off: blue\nserve: on'), [
    '6 flags.f.environments.live.off: blue is no variant of the flag',
  ]);
  assert.deepEqual(faultsIn('targets:\n  on: [u1]\n  blue: [u2]\nserve: on'), [
    '6 flags.f.environments.live.targets: blue is no variant of the flag',
  ]);
  assert.deepEqual(
    faultsIn('rules:\n  - when: {attribute: age, greater_than: x}\n    serve: on\nserve: on').length,
    1,
  );
  assert.match(
    faultsIn('serve: on\nrules:\n  - when: {attribute: age, greater_than: x}\n    serve: on')[0]!,
    /^8 flags\.f\.environments\.live\.rules\.0\.when: greater_than: Invalid input: expected number/,
  );
  assert.deepEqual(faultsIn('serve: on\nruls: []'), [
    '7 flags.f.environments.live.ruls: there is no such field here',
  ]);
  assert.match(
    faultsIn('serve: on\nrollout: 5%')[0]!,
    /^5 .*live: say one of serve, rollout, codeDefault and logic/,
  );
  assert.match(faultsIn('{}')[0]!, /say one of/);
  assert.deepEqual(faultsIn('rollout: 125%'), [
    '6 flags.f.environments.live.rollout: a share is written as 25% or 0.125%, up to 100%',
  ]);
  assert.match(faultsIn('rollout:\n  exposure: 25')[0]!, /^7 .*rollout\.exposure: a share is written as 25%/);
  assert.match(faultsIn('rules:\n  - serve: on\nserve: on')[0]!, /^7 .*rules\.0: when: is required/);
  assert.match(faultsIn('serve: on\notherwise: on')[0]!, /^7 .*otherwise: belongs to logic/);
});

test('faults outside of settings are told as well', () => {
  assert.match(faultsOf('flags: {}')[0]!, /^1 : project: is required/);
  assert.match(faultsOf('- a')[0]!, /^1 : .*expected object/);
  assert.match(faultsOf('')[0]!, /^1 : /);
  assert.match(faultsOf('project: shop\nflags:\n  "a b": {}\n')[0]!, /^3 flags\.a b: a flag key is/);
  assert.match(
    faultsOf('project: shop\nflags:\n  f: {variants: {a: x, b: 1}}\n')[0]!,
    /^3 flags\.f: type: is required/,
  );
  assert.match(
    faultsOf('project: shop\nflags:\n  f:\n    type: string\n    variants:\n      a: x\n      b: 1\n')[0]!,
    /^7 flags\.f\.variants\.b: is not of type string/,
  );
  assert.match(
    faultsOf('project: shop\nflags:\n  f: {variants: {a: 1, b: 2}, environments: {live: {serve: a}}}\n')[0]!,
    /live: off: is required/,
  );
  assert.match(
    faultsOf(
      'project: shop\nsegments:\n  live:\n    staff: {attribute: email, is: ends_wiht, value: x}\nflags: {}\n',
    )[0]!,
    /^4 segments\.live\.staff\.is: /,
  );
  assert.match(faultsOf('project: shop\nflags:\n  f: {kind: odd}\n')[0]!, /^3 flags\.f\.kind: /);
  assert.match(
    faultsOf('project: shop\nflags: {f: {jsonSchema: {type: object}}}\n')[0]!,
    /is for flags of type json/,
  );
});

test('what is no YAML, or not all of it, has its line', () => {
  assert.match(faultsOf('project: shop\nflags: {f: [}\n')[0]!, /^2 : /);
  assert.match(faultsOf('project: shop\nproject: other\nflags: {}\n')[0]!, /^2 : project is there twice/);
  assert.match(faultsOf('project: a\nflags: {}\n---\nproject: b\n')[0]!, /document/);
  assert.match(faultsOf('%YAML 1.1\n---\nproject: a\nflags: {}\n')[0]!, /YAML 1\.2/);
  assert.match(faultsOf('project: !ruby/object shop\nflags: {}\n')[0]!, /^1 : .*tag/i);
});

test('aliases may be used, within a bound', () => {
  const shared = fileOf(
    'project: shop\nflags:\n  a: {environments: {live: &usual {rollout: 10%}, test: *usual}}\n',
  ).flags.a!.environments;
  assert.deepEqual(shared.live, shared.test);
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x, x]',
    ...'bcdefgh'
      .split('')
      .map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefg'[i]}`).join(', ')}]`),
  ];
  assert.match(faultsOf(`${bomb.join('\n')}\nproject: *h\n`)[0]!, /aliases stand for more than 100 places/);
  assert.match(faultsOf('project: &p [*p]\n')[0]!, /\*p stands inside of itself|Unresolved alias/);
});

test('a text that is too large, too deep or too odd is a fault, and no more', () => {
  assert.match(faultsOf(' '.repeat(MAX_FLAGS_FILE_CHARACTERS + 1))[0]!, /more than 1048576 characters/);
  for (const text of [
    '['.repeat(200_000),
    `a: ${'{a: '.repeat(20_000)}`,
    '? {a: b}\n: c\n',
    '\u0000',
    '&a',
    '*a',
    '!!binary "x"',
  ]) {
    assert.ok(faultsOf(text).length > 0, text.slice(0, 40));
  }
});
