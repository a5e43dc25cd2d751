import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FlagEdit, flagEditsSchema } from '../../schemas/commands/flags.ts';
import { editFlag, partsOfEdits } from './edit-flag.ts';
import { basesOf, conflictsWith, difference, type EditableFlag } from './flag-parts.ts';

const ruleOf = (id: string, variant = 'on') => ({
  id,
  when: { attribute: 'plan', is: 'equals' as const, value: id },
  serve: { variant },
});
const flag: EditableFlag = {
  type: 'boolean',
  variants: { on: true, off: false },
  jsonSchema: null,
  clientVisible: false,
  settings: {
    mode: 'off',
    offVariant: 'off',
    prerequisites: [],
    targets: [],
    rules: [ruleOf('a'), ruleOf('b')],
    fallthrough: { variant: 'on' },
  },
};
const rollout = (exposure: number): FlagEdit => ({
  edit: 'set_fallthrough',
  fallthrough: { rollout: { by: 'targetingKey', exposure, weights: [{ variant: 'on', weight: 1 }] } },
});
const edits: readonly FlagEdit[] = [
  { edit: 'set_mode', mode: 'on' },
  { edit: 'set_off_variant', variant: 'on' },
  { edit: 'set_prerequisites', prerequisites: [{ flag: 'base', variants: ['on'] }] },
  { edit: 'set_targets', targets: [{ variant: 'on', keys: ['jane'] }] },
  { edit: 'put_rule', rule: ruleOf('a', 'off') },
  { edit: 'put_rule', rule: ruleOf('c') },
  { edit: 'put_rule', rule: ruleOf('d'), before: 'b' },
  { edit: 'remove_rule', id: 'b' },
  { edit: 'order_rules', ids: ['b', 'a'] },
  rollout(10_000),
  { edit: 'set_variants', variants: { on: true, off: false, new: true } },
  { edit: 'set_client_visible', clientVisible: true },
];
const rulesOf = (...given: FlagEdit[]) =>
  editFlag(flag, given)
    .settings.rules.map(({ id }) => id)
    .join('');

test('rules keep their place, go in front of another, or last', () => {
  assert.equal(rulesOf({ edit: 'put_rule', rule: ruleOf('a', 'off') }), 'ab');
  assert.equal(rulesOf({ edit: 'put_rule', rule: ruleOf('c') }), 'abc');
  assert.equal(rulesOf({ edit: 'put_rule', rule: ruleOf('c'), before: 'b' }), 'acb');
  assert.equal(rulesOf({ edit: 'remove_rule', id: 'a' }), 'b');
  assert.equal(rulesOf({ edit: 'order_rules', ids: ['b', 'a'] }), 'ba');
});

test('an edit changes the parts that it rests on, and no other', () => {
  for (const edit of edits) {
    assert.doesNotThrow(() => flagEditsSchema.parse([edit]));
    const changed = difference(flag, editFlag(flag, [edit])).map(({ part }) => part);
    assert.ok(changed.length > 0, edit.edit);
    assert.deepEqual([...partsOfEdits(flag, [edit])].sort(), changed.toSorted(), edit.edit);
  }
});

test('edits of different parts do not meet, those of one part do', () => {
  fc.assert(
    fc.property(fc.constantFrom(...edits), fc.constantFrom(...edits), (mine, theirs) => {
      const bases = basesOf(flag, partsOfEdits(flag, [mine]));
      const since = editFlag(flag, [theirs]);
      const theirParts = partsOfEdits(flag, [theirs]);
      const meet = Object.keys(bases).some((part) => theirParts.has(part as never));
      assert.equal(conflictsWith(bases, since).length > 0, meet);
      if (!meet) {
        const one = editFlag(since, [mine]);
        assert.deepEqual(difference(one, editFlag(editFlag(flag, [mine]), [theirs])), []);
      }
    }),
  );
});

test('the base of a step is what the step before it left: an edit elsewhere does not break a ramp', () => {
  const started = editFlag(flag, [rollout(10_000)]);
  const bases = basesOf(started, partsOfEdits(started, [rollout(50_000)]));
  const elsewhere = editFlag(
    started,
    edits.slice(0, 9).filter(({ edit }) => edit !== 'order_rules'),
  );
  assert.deepEqual(conflictsWith(bases, elsewhere), []);
  const meddled = editFlag(started, [rollout(20_000)]);
  const [conflict] = conflictsWith(bases, meddled);
  assert.equal(conflict!.part, 'fallthrough');
  assert.deepEqual(
    [conflict!.before, conflict!.after],
    [started.settings.fallthrough, meddled.settings.fallthrough],
  );
});

test('a difference does not depend on the order of fields', () => {
  const turned = { ...flag, variants: { off: false, on: true } };
  assert.deepEqual(difference(flag, turned), []);
});

test('all edits are done or none, and the one that cannot be is named', () => {
  const cases: readonly (readonly [FlagEdit[], string, RegExp])[] = [
    [[{ edit: 'remove_rule', id: 'z' }], 'edits.0.id', /no rule z/],
    [[rollout(5), { edit: 'put_rule', rule: ruleOf('c'), before: 'z' }], 'edits.1.before', /no rule z/],
    [[{ edit: 'put_rule', rule: ruleOf('a'), before: 'b' }], 'edits.0.before', /order_rules/],
    [[{ edit: 'order_rules', ids: ['a'] }], 'edits.0.ids', /each of the 2 rules once/],
    [[{ edit: 'order_rules', ids: ['a', 'a'] }], 'edits.0.ids', /each of the 2 rules once/],
    [[{ edit: 'order_rules', ids: ['a', 'z'] }], 'edits.0.ids', /no rule z/],
    [
      [{ edit: 'set_variants', variants: { on: true, off: 'no' } }],
      'edits.0.variants.off',
      /of type boolean/,
    ],
    [[{ edit: 'set_variants', variants: { off: false } }], 'edits', /rule a serves on, which is no variant/],
    [[{ edit: 'set_off_variant', variant: 'z' }], 'edits', /the off variant serves z/],
    [[{ edit: 'set_targets', targets: [{ variant: 'z', keys: ['k'] }] }], 'edits', /a target serves z/],
    [[{ edit: 'put_rule', rule: ruleOf('c', 'z') }], 'edits', /rule c serves z/],
    [[{ edit: 'set_fallthrough', fallthrough: { variant: 'z' } }], 'edits', /the fallthrough serves z/],
  ];
  for (const [given, path, message] of cases) {
    assert.throws(() => editFlag(flag, given), { name: 'InvalidEdit', path, message });
  }
  // A variant may come and be used in one go.
  const added = editFlag(flag, [
    { edit: 'set_fallthrough', fallthrough: { variant: 'new' } },
    { edit: 'set_variants', variants: { on: true, off: false, new: true } },
  ]);
  assert.deepEqual(added.settings.fallthrough, { variant: 'new' });
});

test('a flag has a bounded number of rules', () => {
  const many = Array.from({ length: 99 }, (_, n): FlagEdit => ({ edit: 'put_rule', rule: ruleOf(`r${n}`) }));
  assert.throws(() => editFlag(flag, many), { path: 'edits.98.rule', message: /at most 100 rules/ });
});
