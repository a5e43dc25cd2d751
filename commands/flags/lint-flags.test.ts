import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { When } from '../../schemas/flag-values.ts';
import { context, when as someWhen } from '../../test/flags/generated-flags.ts';
import { constantOf } from './constant-when.ts';
import { compileLogic } from './engine/compile-logic.ts';
import { truthy } from './engine/expression.ts';
import { parseFlagsFile } from './flags-file.ts';
import { lintFlags } from './lint-flags.ts';
import { compileSegments } from './segments.ts';
import { whenLogic } from './when-logic.ts';

const nowMs = Date.parse('2027-01-01T00:00:00Z');
const lint = (text: string) => {
  const { file, faults } = parseFlagsFile(`project: shop\n${text}`);
  assert.deepEqual(faults, undefined);
  return lintFlags(file!, { nowMs }).map(
    ({ rule, severity, flag, environment, message }) =>
      `${severity} ${rule} ${flag ?? '-'}/${environment ?? '-'}: ${message}`,
  );
};
const live = (settings: string, more = '') => lint(`flags: {f: {${more} environments: {live: ${settings}}}}`);

test('a file of which nothing is amiss has no findings', () => {
  assert.deepEqual(
    lint(`
segments: {live: {staff: {attribute: team, exists: true}}}
flags:
  base: {environments: {live: {serve: on}}}
  f:
    clientVisible: true
    expiresAt: 2027-06-01
    environments:
      live:
        requires: {base: on}
        targets: {on: [user-1]}
        rules:
          - {when: {attribute: plan, equals: pro}, serve: on}
          - {when: {attribute: language, in: [de, fr]}, rollout: {weights: {on: 1, off: 1}}}
        rollout: 25%
`),
    [],
  );
});

test('variants that nothing serves are named, where something is served', () => {
  const variants = 'variants: {a: 1, b: 2, off: 3},';
  assert.deepEqual(live('{serve: a}', variants), [
    'warning unused-variant f/-: nothing serves its variant b',
  ]);
  assert.deepEqual(live('{logic: {if: [{var: x}, b, a]}}', variants), []);
  assert.deepEqual(lint(`flags: {f: {${variants}}}`), []);
});

test('rules that nobody reaches are named', () => {
  const rules = (...list: string[]) =>
    live(
      `{rules: [${list.map((when, n) => `{id: r${n + 1}, when: ${when}, serve: on}`).join(', ')}], serve: off}`,
    );
  const pro = '{attribute: plan, equals: pro}';
  assert.deepEqual(rules('{logic: true}', pro), [
    'warning unreachable-rule f/live: rule r2 comes after r1, which always holds',
  ]);
  assert.deepEqual(rules(`{any: [${pro}, {not: ${pro}}]}`, pro).length, 1);
  assert.deepEqual(
    rules('{any: [{attribute: a, exists: true}, {attribute: a, exists: false}]}', pro).length,
    1,
  );
  assert.deepEqual(rules(`{all: [${pro}, {not: ${pro}}]}`, pro), [
    'warning unreachable-rule f/live: rule r1 never holds',
  ]);
  assert.deepEqual(rules(pro, '{value: pro, is: equals, attribute: plan}'), [
    'warning unreachable-rule f/live: rule r2 asks what r1 asks before it',
  ]);
  assert.deepEqual(rules(pro, `{not: ${pro}}`), []);
});

test('shares of none and of all are named, splits of all are not', () => {
  assert.deepEqual(live('{rollout: 0%}'), [
    'warning constant-rollout f/live: the rollout for all others lets nobody in (0%)',
  ]);
  assert.deepEqual(
    live('{rules: [{id: r, when: {attribute: a, exists: true}, rollout: 100%}], rollout: 5%}'),
    ['warning constant-rollout f/live: rule r lets everybody in (100%): write serve: on'],
  );
  assert.deepEqual(live('{rollout: {weights: {on: 1, off: 1}}}'), []);
});

test('an end that has come is named, and one that a permanent flag has', () => {
  assert.deepEqual(live('{rollout: 5%}', 'expiresAt: 2027-01-01,'), [
    'warning expired f/-: it expired on 2027-01-01T00:00:00Z',
  ]);
  assert.deepEqual(live('{rollout: 5%}', 'expiresAt: 2027-01-02, permanent: true,'), [
    'error permanent-and-expires f/-: a permanent flag has no end',
  ]);
});

test('what a public key would tell of people is named', () => {
  const settings =
    '{targets: {on: [jane@example.com]}, rules: [{id: r, when: [{segment: staff}, {attribute: user.homeAddress, exists: true}, {attribute: message, exists: true}], serve: on}], serve: off}';
  const text = (visible: boolean) =>
    lint(
      `segments: {live: {staff: {attribute: team, exists: true}}}\nflags: {f: {clientVisible: ${visible}, environments: {live: ${settings}}}}`,
    );
  assert.deepEqual(text(false), []);
  assert.deepEqual(
    text(true).map((line) => line.replace(/: a client key.*/, '')),
    [
      'warning personal-rule f/live: targets of on look like addresses',
      'warning personal-rule f/live: rule r asks who is in segment staff',
      'warning personal-rule f/live: rule r asks for user.homeAddress, which looks personal',
    ],
  );
});

test('prerequisites that are not there or do not answer so are errors, and circles', () => {
  assert.deepEqual(live('{requires: {gone: on}, serve: on}'), [
    'error prerequisite f/live: it requires gone, which the environment does not have',
  ]);
  assert.deepEqual(
    lint(
      'flags: {base: {environments: {live: {serve: on}}}, f: {environments: {live: {requires: {base: blue}, serve: on}}}}',
    ),
    ['error prerequisite f/live: it requires blue of base, which is no variant'],
  );
  assert.deepEqual(
    lint(
      'flags: {a: {environments: {live: {requires: {b: on}, serve: on}}}, b: {environments: {live: {requires: {a: on}, serve: on}}}}',
    ).map((line) => line.replace(/:.*/, '')),
    ['error cannot-be-evaluated a/live', 'error cannot-be-evaluated b/live'],
  );
});

test('what cannot be evaluated is an error: a segment that is not there, a pattern that is none', () => {
  const rule = (when: string) => live(`{rules: [{when: ${when}, serve: on}], serve: off}`);
  assert.deepEqual(rule('{segment: gone}'), ['error cannot-be-evaluated f/live: there is no segment gone']);
  assert.match(rule("{attribute: a, matches: '('}")[0]!, /^error cannot-be-evaluated f\/live: the pattern/);
  assert.match(
    lint('segments: {live: {a: {segment: a}}}\nflags: {}')[0]!,
    /^error cannot-be-evaluated -\/live: segments go in a circle/,
  );
});

test('what is said to hold always or never does, for everybody', () => {
  const segments = new Map<string, When>([['outer', { attribute: 'plan', is: 'exists', value: true }]]);
  const { reference, evaluators } = compileSegments(segments);
  const same = someWhen.map((when): When => ({ any: [when, { not: when }] }));
  let constant = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        someWhen,
        same,
        same.map((not): When => ({ not })),
      ),
      fc.array(context, { minLength: 5 }),
      (when, contexts) => {
        const holds = constantOf(when, (key) => segments.get(key));
        if (holds === null) return;
        constant += 1;
        const { evaluate } = compileLogic(whenLogic(when, reference), { flagKey: 'f', evaluators });
        for (const given of contexts) {
          assert.equal(truthy(evaluate(given, { context: given, nowSeconds: 0, itemsLeft: 1_000 })), holds);
        }
      },
    ),
    { numRuns: 1_000, seed: 20261125 },
  );
  assert.ok(constant > 300);
});
