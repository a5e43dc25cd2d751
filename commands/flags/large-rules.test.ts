import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { When } from '../../schemas/flag-values.ts';
import { flagsWorld, PROJECT } from '../../test/support/flags-world.ts';
import type { Outcome } from '../execute.ts';
import { changeSegment } from './change-segment.ts';
import { MAX_OPERATORS_REACHED } from './check-environment.ts';
import { compileEnvironment } from './compile-environment.ts';
import { compileLogic } from './engine/compile-logic.ts';
import { MAX_PATTERN_CHARACTERS_OF_ENVIRONMENT } from './environment-patterns.ts';
import { MAX_ENVIRONMENT_CHARACTERS } from './environment-size.ts';
import { exportFlagd } from './export-flagd.ts';
import { type FlagInEnvironment, flagProgram } from './flag-program.ts';
import { compileSegments } from './segments.ts';

const detailOf = (outcome: Outcome<unknown>) =>
  outcome.kind === 'rejected' ? outcome.rejection.detail : 'accepted';
const matching = (value: string): When => ({ attribute: 'email', is: 'matches', value });
const serving = (id: string, when: When) => ({
  edit: 'put_rule' as const,
  rule: { id, when: when as never, serve: { variant: 'on' } },
});
/** Different ones of 1,000 characters. */
const pattern = (n: number) => `${String(n).padStart(4, '0')}${'a'.repeat(996)}`;

async function worldWithSegments() {
  const world = await flagsWorld();
  const put = (segment: string, when: When | null) =>
    changeSegment(world.deps, world.at('production'), {
      ...{ project: PROJECT, environment: 'production' },
      ...{ segment, when, reason: null },
    });
  const on = async (key: string) => {
    await world.flag(key);
    await world.change(key, [{ edit: 'set_mode', mode: 'on' }]);
  };
  return { ...world, put, on };
}

describe('patterns', () => {
  test('of one flag are bounded together, and of an environment', async () => {
    const { on, change, put } = await worldWithSegments();
    for (const key of ['a', 'b', 'c', 'd']) await on(key);
    const five = (from: number) =>
      Array.from({ length: 5 }, (_, n) => serving(`rule-${n}`, matching(pattern(from + n))));
    const six = [...five(0), serving('one-more', matching('x'))];
    assert.match(detailOf(await change('a', six)), /patterns have more than 5000 characters/);
    for (const [n, key] of ['a', 'b', 'c', 'd'].entries()) {
      assert.equal(detailOf(await change(key, five(5 * n))), 'accepted');
    }
    // The same pattern again costs nothing.
    assert.equal(detailOf(await put('same', matching(pattern(0)))), 'accepted');
    const more = detailOf(await put('more', matching('x')));
    assert.match(more, new RegExp(`more than ${MAX_PATTERN_CHARACTERS_OF_ENVIRONMENT} characters together`));
  });

  test('that would be looked up letter by letter in every case are refused', () => {
    const ranges = (count: number) => ({ matches: [{ var: 'a' }, `(?i)${'[a-\u{ffff}]'.repeat(count)}`] });
    compileLogic(ranges(10), { flagKey: '' });
    assert.throws(() => compileLogic(ranges(11), { flagKey: '' }), /at most 10 ranges that go beyond ASCII/);
  });
});

test('segments in segments that would grow without end are refused, before they are written out', async () => {
  const { put } = await worldWithSegments();
  assert.equal(detailOf(await put('s0', { attribute: 'a', is: 'exists', value: true })), 'accepted');
  const hundred = (segment: string): When => ({ any: Array.from({ length: 100 }, () => ({ segment })) });
  const answers = [];
  for (const n of [1, 2, 3, 4, 5]) answers.push(detailOf(await put(`s${n}`, hundred(`s${n - 1}`))));
  assert.equal(answers[0], 'accepted');
  assert.match(answers.find((one) => one !== 'accepted')!, /s2 has more than 500000 characters/);
});

test('a flag that many require in many ways is made once for all of them', () => {
  let asked = 0;
  const ten = (below: number) =>
    Array.from({ length: 10 }, (_, n) => ({ flag: `${below}-${n}`, variants: ['on'] }));
  const flagAt = (key: string): FlagInEnvironment => {
    const level = Number(key.split('-')[0]);
    const prerequisites = level === 0 ? [] : ten(level - 1);
    return {
      key,
      variants: { on: true, off: false },
      seed: key,
      settings: {
        mode: 'on',
        offVariant: 'off',
        prerequisites,
        targets: [],
        rules: [],
        fallthrough: { variant: 'on' },
      },
    };
  };
  const around = {
    segments: compileSegments(new Map()),
    flag(key: string) {
      asked++;
      return flagAt(key);
    },
  };
  assert.throws(() => flagProgram(flagAt('5-0'), around), /have more than 1000000 characters/);
  assert.ok(asked <= 500, `${asked}`);
  assert.equal(flagProgram(flagAt('2-0'), around).depth, 2);
  assert.throws(() => flagProgram(flagAt('6-0'), around), /characters|deep/);
});

test('an environment is no larger than what can be loaded, all that rules use written out', async () => {
  const { on, change, put, environment } = await worldWithSegments();
  const emails = Array.from({ length: 1_000 }, (_, n) => `${n}-${'x'.repeat(200)}`);
  await put('s', { attribute: 'email', is: 'in', value: emails });
  const rules = (count: number) =>
    Array.from({ length: count }, (_, n) => serving(`r${n}`, { segment: 's' }));
  await on('a');
  await on('b');
  assert.equal(detailOf(await change('a', rules(50))), 'accepted');
  assert.equal(detailOf(await change('b', rules(40))), 'accepted');
  const more = Array.from({ length: 10 }, (_, n) => serving(`more-${n}`, { segment: 's' }));
  const expected = new RegExp(`more than ${MAX_ENVIRONMENT_CHARACTERS} characters`);
  assert.match(detailOf(await change('b', more)), expected);
  const required = { edit: 'set_prerequisites' as const, prerequisites: [{ flag: 'a', variants: ['on'] }] };
  assert.match(detailOf(await change('b', [required])), expected);
  assert.match(
    detailOf(
      await put('s', {
        attribute: 'email',
        is: 'in',
        value: [...emails.slice(0, 900), ...emails.slice(0, 100).map((one) => one.repeat(4))],
      }),
    ),
    expected,
  );
  assert.equal((await environment()).flags.get('b')!.settings.rules.length, 40);
});

test('a set for flagd has no more than can be written: what finds no room is named', () => {
  const keys = Array.from({ length: 1_000 }, (_, n) => `${n}-${'x'.repeat(495)}`);
  const flagOf = (key: string, settings: object): [string, FlagInEnvironment] => [
    key,
    {
      ...{ key, variants: { on: true, off: false }, seed: key },
      settings: {
        ...{ mode: 'on', offVariant: 'off', prerequisites: [], targets: [], rules: [] },
        ...{ fallthrough: { variant: 'on' }, ...settings },
      },
    },
  ];
  const requiring = Array.from({ length: 50 }, (_, n) =>
    flagOf(`requiring-${n}`, { prerequisites: [{ flag: 'large', variants: ['on'] }] }),
  );
  const large = flagOf('large', { targets: [{ variant: 'on', keys }] });
  const { flagSet, leftOut } = exportFlagd({ flags: new Map([large, ...requiring]), segments: new Map() });
  const written = Object.keys(flagSet.flags as object).length;
  assert.equal(written + leftOut.length, 51);
  assert.ok(
    leftOut.length > 5 && leftOut.every(({ reasons }) => reasons[0] === 'no room is left in the flag set'),
  );
  assert.ok(JSON.stringify(flagSet).length < 25_000_000);
});

describe('a change of a segment', () => {
  test('compiles what it reaches, and nothing else', async () => {
    const { on, change, put, environment } = await worldWithSegments();
    for (const key of ['named', 'nested', 'dependent', 'raw', 'other']) await on(key);
    await put('inner', { attribute: 'a', is: 'exists', value: true });
    await put('outer', { segment: 'inner' });
    await change('named', [serving('r', { segment: 'inner' })]);
    await change('nested', [serving('r', { not: { segment: 'outer' } })]);
    await change('dependent', [
      { edit: 'set_prerequisites', prerequisites: [{ flag: 'nested', variants: ['on'] }] },
    ]);
    await change('raw', [serving('r', { logic: { '!': [{ $ref: 'segment:inner' }] } })]);
    const state = await environment();
    const nothing = {
      flags: state.flags.clear(),
      segments: state.segments.clear(),
      programs: new Map(),
      isWhole: true,
    };
    const before = compileEnvironment(nothing, {
      flags: [...state.flags.values()],
      segments: [...state.segments],
    });
    const after = compileEnvironment(before, { flags: [], segments: [['inner', { logic: true }]] });
    const anew = [...after.programs].filter(([key, program]) => before.programs.get(key) !== program);
    assert.deepEqual(anew.map(([key]) => key).sort(), ['dependent', 'named', 'nested', 'raw']);
    // One that is named by nothing but imported logic is not taken away either.
    await change('named', [{ edit: 'remove_rule', id: 'r' }]);
    await change('dependent', [{ edit: 'set_prerequisites', prerequisites: [] }]);
    await change('nested', [{ edit: 'remove_rule', id: 'r' }]);
    await put('outer', null);
    assert.match(detailOf(await put('inner', null)), /flag raw: \$ref names "segment:inner"/);
  });

  test('is refused where it would have more compiled than is compiled at once', async () => {
    const { on, change, put, environment } = await worldWithSegments();
    await put('s', { attribute: 'a', is: 'exists', value: true });
    const conditions = (count: number): When => ({
      all: Array.from({ length: count }, () => ({ attribute: 'a', is: 'exists', value: true })),
    });
    const rules = Array.from({ length: 50 }, (_, n) => serving(`r${n}`, { segment: 's' }));
    const flags = 55;
    for (let n = 0; n < flags; n++) {
      await on(`f${n}`);
      assert.equal(detailOf(await change(`f${n}`, rules)), 'accepted');
    }
    assert.match(detailOf(await put('s', conditions(100))), /more than 10000 operators/);
    const refused = detailOf(await put('s', conditions(95)));
    assert.match(refused, new RegExp(`reaches more than ${MAX_OPERATORS_REACHED} operators`));
    assert.equal((await environment()).flags.size, flags);
    assert.equal(detailOf(await put('s', conditions(50))), 'accepted');
  });
});
