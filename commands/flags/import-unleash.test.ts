import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { importUnleash } from './import-unleash.ts';
import { MAX_UNLEASH_FEATURES, MAX_UNLEASH_STRATEGIES } from './unleash-export.ts';

/** As the export dialog writes it: rows, with the environment in some of them. */
const exported = (rows: Record<string, Json>): JsonObject => ({
  features: [{ name: 'f', type: 'operational', project: 'default', stale: false, archived: false }],
  featureStrategies: [],
  featureEnvironments: [
    { enabled: true, featureName: 'f', environment: 'production', variants: [], name: 'f' },
  ],
  contextFields: [],
  featureTags: [],
  segments: [],
  tagTypes: [],
  dependencies: [],
  ...rows,
});
const strategies = (...list: JsonObject[]) =>
  list.map(
    (one): JsonObject => ({ featureName: 'f', parameters: {}, constraints: [], segments: [], ...one }),
  );
const share = (rollout: string, more: JsonObject = {}): JsonObject => ({
  name: 'flexibleRollout',
  parameters: { rollout, stickiness: 'default', groupId: 'f', ...more },
});
const constraint = (
  contextName: string,
  operator: string,
  values: Json,
  more: JsonObject = {},
): JsonObject => ({
  contextName,
  operator,
  inverted: false,
  caseInsensitive: false,
  ...(Array.isArray(values) ? { values } : { value: values }),
  ...more,
});

function imported(rows: Record<string, Json>) {
  const { environments, findings, segments } = importUnleash(exported(rows));
  const flags = new Map(environments[0]!.flags.map((flag) => [flag.key, flag]));
  return {
    environments,
    flags,
    segments,
    settings: flags.get('f')?.settings,
    said: findings.map(({ message }) => message).join('\n'),
  };
}

test('an export becomes flags of the environment it is of, with kind and tags', () => {
  const { environments, flags, said } = imported({
    featureStrategies: strategies({ name: 'default' }),
    featureTags: [
      { featureName: 'f', tagType: 'simple', tagValue: 'Check Out' },
      { featureName: 'f', tagType: 'team', tagValue: 'payments' },
    ],
  });
  assert.deepEqual(
    environments.map(({ environment }) => environment),
    ['production'],
  );
  const { kind, tags, type, variants, settings } = flags.get('f')!;
  assert.deepEqual(
    [kind, tags, type, variants],
    ['ops', ['check-out', 'team:payments'], 'boolean', { on: true, off: false }],
  );
  assert.deepEqual(settings.fallthrough, { variant: 'on' });
  assert.equal(said, '');
});

test('users by id become targets, unless more is asked of them', () => {
  const plain = imported({
    featureStrategies: strategies({ name: 'userWithId', parameters: { userIds: 'a, b,,c ' } }),
  });
  assert.deepEqual(plain.settings!.targets, [{ variant: 'on', keys: ['a', 'b', 'c'] }]);
  assert.deepEqual(plain.settings!.rules, []);
  const asked = imported({
    featureStrategies: strategies({
      name: 'userWithId',
      parameters: { userIds: 'a' },
      constraints: [constraint('country', 'IN', ['de'])],
    }),
  });
  assert.deepEqual(asked.settings!.targets, []);
  assert.deepEqual(asked.settings!.rules[0]!.when, {
    all: [
      { attribute: 'targetingKey', is: 'in', value: ['a'] },
      { attribute: 'country', is: 'in', value: ['de'] },
    ],
  });
});

test('of strategies any counts: the larger share comes first, and what nothing is asked for ends the rules', () => {
  const { settings, said } = imported({
    featureStrategies: strategies(
      share('10', {}),
      { ...share('50'), constraints: [constraint('plan', 'IN', ['pro'])] },
      {
        name: 'default',
        constraints: [constraint('email', 'STR_ENDS_WITH', ['@example.com'], { caseInsensitive: true })],
      },
    ),
  });
  assert.deepEqual(
    settings!.rules.map(({ id }) => id),
    ['strategy-3', 'strategy-2'],
  );
  assert.deepEqual(settings!.rules[0]!.when, {
    attribute: 'email',
    is: 'matches',
    value: '(?i)@example\\.com$',
  });
  assert.deepEqual(settings!.fallthrough, {
    rollout: { by: 'targetingKey', exposure: 10_000, weights: [{ variant: 'on', weight: 1 }] },
  });
  assert.match(said, /dealt out anew/);
  assert.doesNotMatch(said, /not tried/);
  const apart = imported({
    featureStrategies: strategies(share('10', { groupId: 'a' }), share('50', { groupId: 'b' })),
  });
  assert.match(apart.said, /is not tried with the next ones/);
});

test('variants have one type, and one for where the flag is off; their overrides come first', () => {
  const variant = (name: string, weight: number, payload: JsonObject, more: JsonObject = {}): JsonObject => ({
    name,
    weight,
    weightType: 'variable',
    stickiness: 'default',
    payload,
    overrides: [],
    ...more,
  });
  const environment = (variants: JsonObject[]) => ({
    featureStrategies: strategies(share('100')),
    featureEnvironments: [{ enabled: true, featureName: 'f', environment: 'production', variants }],
  });
  const numbers = imported(
    environment([
      variant(
        'small',
        300,
        { type: 'number', value: '1' },
        { overrides: [{ contextName: 'userId', values: ['u1'] }] },
      ),
      variant('very large', 700, { type: 'number', value: '2.5' }),
    ]),
  );
  const flag = numbers.flags.get('f')!;
  assert.equal(flag.type, 'number');
  assert.deepEqual(flag.variants, { small: 1, 'very-large': 2.5, disabled: 0 });
  assert.deepEqual(flag.settings.rules, [
    {
      id: 'strategy-1-override-1',
      when: { attribute: 'targetingKey', is: 'in', value: ['u1'] },
      serve: { variant: 'small' },
    },
  ]);
  assert.deepEqual(flag.settings.fallthrough, {
    rollout: {
      by: 'targetingKey',
      exposure: 100_000,
      weights: [
        { variant: 'small', weight: 300 },
        { variant: 'very-large', weight: 700 },
      ],
    },
  });
  assert.match(numbers.said, /"very large" is called very-large/);
  const json = imported(environment([variant('a', 1, { type: 'json', value: '{"x":1}' })]));
  assert.deepEqual(json.flags.get('f')!.variants, { a: { x: 1 }, disabled: {} });
  const mixed = imported(environment([variant('a', 1, { type: 'json', value: '[1]' })]));
  assert.deepEqual(mixed.flags.get('f')!.variants, { a: '[1]', disabled: '' });
  assert.match(mixed.said, /they are texts/);
});

test('segments are rules of their own; one that the export only names keeps out the strategies that ask for it', () => {
  const named = { featureStrategies: strategies({ name: 'default', segments: [7] }) };
  const without = imported({ ...named, segments: [{ id: 7, name: 'Beta users' }] });
  assert.deepEqual(without.settings!.fallthrough, { variant: 'off' });
  assert.match(
    without.said,
    /strategy-1: left out: segment "Beta users": the export does not say whom it is/,
  );
  const constraints = [constraint('beta', 'IN', ['yes']), constraint('age', 'NUM_GTE', '18')];
  const known = imported({ ...named, segments: [{ id: 7, name: 'Beta users', constraints }] });
  assert.deepEqual(known.segments, [
    {
      segment: 'Beta-users',
      when: {
        all: [
          { attribute: 'beta', is: 'in', value: ['yes'] },
          {
            all: [
              { attribute: 'age', is: 'exists', value: true },
              { attribute: 'age', is: 'greater_or_equal', value: 18 },
            ],
          },
        ],
      },
    },
  ]);
  assert.deepEqual(known.settings!.rules[0]!.when, { segment: 'Beta-users' });
});

test('flags that depend on others require them, and go with them', () => {
  const features = ['f', 'parent', 'gone', 'orphan', 'a', 'b'].map(
    (name): JsonObject => ({ name, type: 'release', archived: name === 'gone' }),
  );
  const { flags, said } = imported({
    features,
    dependencies: [
      { feature: 'f', dependencies: [{ feature: 'parent', enabled: false }] },
      { feature: 'orphan', dependencies: [{ feature: 'gone' }] },
      { feature: 'a', dependencies: [{ feature: 'b' }] },
      { feature: 'b', dependencies: [{ feature: 'a' }] },
    ],
  });
  assert.deepEqual([...flags.keys()], ['f', 'parent']);
  assert.deepEqual(flags.get('f')!.settings.prerequisites, [{ flag: 'parent', variants: ['off'] }]);
  assert.match(said, /it is archived/);
  assert.match(said, /depends on "gone", which was not carried over/);
  assert.match(said, /go in a circle/);
});

test('what cannot be carried is named and lets nobody in', () => {
  const { settings, said } = imported({
    featureStrategies: strategies(
      { name: 'my-own-strategy' },
      { name: 'default', constraints: [constraint('a.b', 'IN', ['x'])] },
      { name: 'default', constraints: [constraint('plan', 'SOUNDS_LIKE', ['x'])] },
      { name: 'default', constraints: [constraint('plan', 'REGEX', '(')] },
      { name: 'default', disabled: true },
      { name: 'applicationHostname', parameters: { hostNames: 'Web-1' } },
      { name: 'remoteAddress', parameters: { IPs: '10.0.0.0/8, 10.1.2.3, 172.16.0.0/30, 2001:db8::/32' } },
      { name: 'default', constraints: [constraint('currentTime', 'DATE_AFTER', '2026-01-01T00:00:00Z')] },
    ),
  });
  assert.match(said, /strategy-1: left out: its strategy "my-own-strategy" is none that is known/);
  assert.match(said, /strategy-2: left out: the context field "a\.b"/);
  assert.match(said, /strategy-3: left out: its operator "SOUNDS_LIKE"/);
  assert.match(said, /strategy-4: the pattern "\(" is none/);
  assert.match(said, /strategy-6: the context must say the name of the host/);
  assert.match(said, /strategy-7: "2001:db8::\/32" cannot be carried over/);
  assert.match(said, /strategy-8: it reads the clock/);
  assert.deepEqual(settings!.fallthrough, { variant: 'off' });
  assert.deepEqual(
    settings!.rules.map(({ id, when }) => [id, when]),
    [
      ['strategy-6', { attribute: 'hostname', is: 'in', value: ['web-1'] }],
      [
        'strategy-7',
        {
          any: [
            { attribute: 'remoteAddress', is: 'in', value: ['10.1.2.3'] },
            { attribute: 'remoteAddress', is: 'starts_with', value: '10.' },
            { attribute: 'remoteAddress', is: 'matches', value: '^172\\.16\\.0\\.(0|1|2|3)$' },
          ],
        },
      ],
      ['strategy-8', { logic: { '>': [{ var: '$flagd.timestamp' }, 1_767_225_600] } }],
    ],
  );
});

test('what is too large is refused, with the bound', () => {
  const many = importUnleash({
    features: Array.from({ length: MAX_UNLEASH_FEATURES + 1 }, (_, n) => ({ name: `f${n}` })),
  });
  assert.deepEqual(many.environments, []);
  assert.match(many.findings[0]!.message, /more than 5000 features/);
  const strategic = imported({
    featureStrategies: strategies(...Array(MAX_UNLEASH_STRATEGIES + 1).fill({ name: 'default' })),
  });
  assert.equal(strategic.flags.size, 0);
  assert.match(strategic.said, /more than 50 strategies/);
  const pattern = constraint('plan', 'REGEX', 'x'.repeat(900));
  const patterned = importUnleash(
    exported({ featureStrategies: strategies({ name: 'default', constraints: Array(23).fill(pattern) }) }),
  );
  assert.match(patterned.findings[0]!.message, /patterns have more than 20000 characters/);
  const variants = Array.from({ length: 50 }, (_, n) => ({ name: `v${n}`, weight: 1 }));
  const varied = imported({ featureStrategies: strategies({ name: 'default', variants }) });
  assert.match(varied.said, /more than 50 variants, with the one for off/);
  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  const nested = imported({
    featureStrategies: strategies({
      name: 'default',
      variants: [{ name: 'v', weight: 1, payload: { type: 'json', value: deep } }],
    }),
  });
  assert.ok(nested.flags.size === 1 || /nested too deeply/.test(nested.said));
});
