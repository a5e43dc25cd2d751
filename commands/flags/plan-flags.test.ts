import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flagEditsSchema, MAX_EDITS } from '../../schemas/commands/flags.ts';
import type { FlagRule, FlagSettings, Variants, When } from '../../schemas/flag-values.ts';
import type { FlagsFile } from '../../schemas/flags-file.ts';
import type { JsonObject } from '../../schemas/json.ts';
import { settings as someSettings, variants as someVariants } from '../../test/flags/generated-flags.ts';
import { editFlag } from './edit-flag.ts';
import { editsBetween } from './edits-between.ts';
import { difference, type EditableFlag } from './flag-parts.ts';
import { parseFlagsFile } from './flags-file.ts';
import { flagsPlanText } from './flags-plan-text.ts';
import { isEmptyPlan, planFlags } from './plan-flags.ts';

const fileOf = (text: string): FlagsFile => {
  const { file, faults } = parseFlagsFile(`project: shop\n${text}`);
  assert.deepEqual(faults, undefined);
  return file!;
};
const nothing = fileOf('flags: {}');

const editable = fc
  .record({
    given: someSettings,
    ids: fc.shuffledSubarray(['r0', 'r1', 'r2', 'x', 'y']),
    more: fc.constantFrom<Variants>({}, { green: true }),
    clientVisible: fc.boolean(),
  })
  .map(
    ({ given, ids, more, clientVisible }): EditableFlag => ({
      type: 'boolean',
      variants: { ...someVariants, ...more },
      jsonSchema: null,
      clientVisible,
      settings: {
        ...given,
        mode: given.mode === 'killed' ? 'off' : given.mode,
        rules: given.rules.slice(0, ids.length).map((rule, i) => ({ ...rule, id: ids[i]! })),
      },
    }),
  );

test('the edits between two states of a flag lead from one to the other, and are about what differs alone', () => {
  fc.assert(
    fc.property(editable, editable, fc.boolean(), (from, to, keepVariants) => {
      const { commands, afterwards } = editsBetween(from, to, { keepVariants });
      for (const edits of commands) flagEditsSchema.parse(edits);
      const all = [...commands, ...(afterwards ? [afterwards] : [])];
      const after = all.reduce((flag, edits) => editFlag(flag, edits), from);
      assert.deepEqual(difference(after, to), []);
      assert.equal(all.length === 0, difference(from, to).length === 0);
    }),
    { numRuns: 1_000, seed: 20261125 },
  );
});

test('more edits than one command takes are several, each of which leaves the flag whole', () => {
  const when: When = { attribute: 'plan', is: 'equals', value: 'pro' };
  const flagOf = (variant: string, ids: readonly string[]): EditableFlag => {
    const rules = ids.map((id): FlagRule => ({ id, when, serve: { variant } }));
    const settings: FlagSettings = {
      ...{ mode: 'on', offVariant: variant, prerequisites: [], targets: [], fallthrough: { variant } },
      rules,
    };
    return {
      type: 'boolean',
      variants: { [variant]: true },
      jsonSchema: null,
      clientVisible: false,
      settings,
    };
  };
  const [from, to] = [
    flagOf(
      'old',
      Array.from({ length: 100 }, (_, n) => `a${n}`),
    ),
    flagOf(
      'new',
      Array.from({ length: 100 }, (_, n) => `b${n}`),
    ),
  ];
  const { commands, afterwards } = editsBetween(from, to);
  assert.equal(afterwards, null);
  assert.ok(commands.length > 3 && commands.every((edits) => edits.length <= MAX_EDITS));
  assert.deepEqual(
    commands.reduce((flag, edits) => editFlag(flag, edits), from),
    to,
  );
});

test('a new flag is made, then each environment gets what it is to answer; what is required comes first', () => {
  const wanted = fileOf(`
segments:
  live:
    outer: {all: [{segment: inner}, {attribute: plan, equals: pro}]}
    inner: {attribute: email, ends_with: "@example.com"}
flags:
  checkout:
    owner: {team: payments}
    environments:
      live: {requires: {base: on}, rules: [{when: {segment: outer}, serve: on}], rollout: 25%}
      test: {serve: on}
  base:
    variants: {on: true, off: false}
    environments:
      live: {serve: on}
`);
  const plan = planFlags(nothing, wanted);
  assert.deepEqual(
    plan.creations.map(({ flag, offVariant, onVariant, ownerTeam }) => [
      flag,
      offVariant,
      onVariant,
      ownerTeam,
    ]),
    [
      ['base', 'off', 'on', null],
      ['checkout', 'off', 'on', 'payments'],
    ],
  );
  assert.deepEqual(
    plan.environments.map(({ environment, steps }) => [
      environment,
      steps.map((step) => ('flag' in step ? step.flag : step.segment)),
    ]),
    [
      ['live', ['inner', 'outer', 'base', 'checkout']],
      ['test', ['checkout']],
    ],
  );
  assert.equal(
    flagsPlanText(plan),
    `project shop
  + flag base (boolean, release)
  + flag checkout (boolean, release)
environment live
  + segment inner: {"attribute":"email","is":"ends_with","value":"@example.com"}
  + segment outer: {"all":[{"segment":"inner"},{"attribute":"plan","is":"equals","value":"pro"}]}
  ~ flag base
      mode: off → on
  ~ flag checkout
      mode: off → on
      prerequisites: [] → [{"flag":"base","variants":["on"]}]
      rule-order: [] → ["rule-1"]
      fallthrough: {"variant":"on"} → {"rollout":{"by":"targetingKey","exposure":25000,"weights":[{"variant":"on","weight":1}]}}
      rule:rule-1: none → {"when":{"segment":"outer"},"serve":{"variant":"on"}}
environment test
  ~ flag checkout
      mode: off → on
`,
  );
});

test('what is as it should be is left alone', () => {
  const file = fileOf(
    'segments: {live: {s: {attribute: a, exists: true}}}\nflags: {f: {expiresAt: 2027-01-01, environments: {live: {rollout: 5%}}}}',
  );
  const same = { ...file, flags: { f: { ...file.flags.f!, expiresAt: '2027-01-01T01:00:00+01:00' } } };
  const plan = planFlags(file, same);
  assert.ok(isEmptyPlan(plan));
  assert.equal(flagsPlanText(plan), 'project shop: nothing to do\n');
});

test('what people know of a flag is told apart from what it answers', () => {
  const before = fileOf('flags: {f: {kind: release, tags: [a], environments: {live: {serve: on}}}}');
  const after = fileOf(
    'flags: {f: {kind: ops, tags: [a], permanent: true, owner: {person: p1}, environments: {live: {serve: on}}}}',
  );
  const { details, environments } = planFlags(before, after);
  assert.deepEqual(details, [{ flag: 'f', changes: { kind: 'ops', ownerPerson: 'p1', permanent: true } }]);
  assert.deepEqual(environments, [{ environment: 'live', steps: [] }]);
});

test('nothing is taken away unless that is asked for, and then what requires others goes first', () => {
  const before = fileOf(`
segments: {live: {outer: {segment: inner}, inner: {attribute: a, exists: true}, kept: {attribute: a, exists: true}}}
flags:
  base: {environments: {live: {serve: on}}}
  child: {environments: {live: {requires: {base: on}, serve: on}}}
`);
  const after = fileOf('segments: {live: {kept: {attribute: a, exists: true}}}\nflags: {}');
  const kept = planFlags(before, after);
  assert.ok(isEmptyPlan(kept));
  assert.deepEqual(
    kept.left.map(({ what }) => what),
    ['flag base', 'flag child', 'segment outer of live', 'segment inner of live'],
  );
  const { environments, left } = planFlags(before, after, { remove: true });
  assert.deepEqual(left, []);
  assert.deepEqual(
    environments[0]!.steps.map((step) => `${step.step} ${'flag' in step ? step.flag : step.segment}`),
    ['archive-flag child', 'archive-flag base', 'remove-segment outer', 'remove-segment inner'],
  );
});

test('a variant that another flag still requires goes last', () => {
  const text = (variants: string, wanted: string) => `flags:
  base: {variants: ${variants}, environments: {live: {off: x, serve: x}}}
  child: {environments: {live: {requires: {base: ${wanted}}, serve: on}}}`;
  const plan = planFlags(fileOf(text('{x: a, y: b}', 'y')), fileOf(text('{x: a, z: c}', 'z')));
  assert.deepEqual(
    plan.environments[0]!.steps.map((step) => (step.step === 'edit-flag' ? [step.flag, step.commands] : [])),
    [
      ['base', [[{ edit: 'set_variants', variants: { x: 'a', y: 'b', z: 'c' } }]]],
      ['child', [[{ edit: 'set_prerequisites', prerequisites: [{ flag: 'base', variants: ['z'] }] }]]],
      ['base', [[{ edit: 'set_variants', variants: { x: 'a', z: 'c' } }]]],
    ],
  );
});

test('a file neither kills a flag nor brings one back, nor gives one another type', () => {
  const text = (mode: string) => fileOf(`flags: {f: {environments: {live: {mode: ${mode}, rollout: 5%}}}}`);
  const on = planFlags(text('killed'), text('on'));
  assert.ok(isEmptyPlan(on));
  assert.match(on.left[0]!.why, /was killed, and stays so/);
  assert.match(planFlags(text('on'), text('killed')).left[0]!.why, /does not kill/);
  const retyped = planFlags(
    text('on'),
    fileOf('flags: {f: {variants: {off: 0, a: 1}, environments: {live: {serve: a}}}}'),
  );
  assert.ok(isEmptyPlan(retyped));
  assert.match(retyped.left[0]!.why, /its type stays boolean/);
});

test('an environment that the project does not have is named', () => {
  const plan = planFlags(nothing, fileOf('flags: {f: {environments: {live: {serve: on}}}}'), {
    environments: ['test'],
  });
  assert.deepEqual(plan.environments, []);
  assert.match(
    flagsPlanText(plan),
    /left as it is\n {2}environment live: the project has no such environment/,
  );
});

test('keys that every object has are keys like others', () => {
  const file = fileOf(
    'segments: {constructor: {valueOf: {attribute: a, exists: true}}}\nflags: {constructor: {environments: {constructor: {serve: on}}}}',
  );
  const plan = planFlags(nothing, file);
  assert.deepEqual(
    plan.creations.map(({ flag }) => flag),
    ['constructor'],
  );
  assert.equal((plan.environments[0] as unknown as JsonObject).environment, 'constructor');
  assert.match(
    parseFlagsFile('project: p\nflags: {f: {environments: {constructor: {serve: no-such}}}}').faults![0]
      .message,
    /no variant/,
  );
});
