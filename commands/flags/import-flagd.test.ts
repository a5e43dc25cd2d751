import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { compileProgram } from './compile-program.ts';
import { evaluate } from './engine/evaluate.ts';
import { flagProgram } from './flag-program.ts';
import { flagdFlag } from './flagd-flag.ts';
import { importFlagd } from './import-flagd.ts';
import { compileSegments } from './segments.ts';

const variants = { on: true, off: false };
const by: Json = { var: 'targetingKey' };
const flagSet: JsonObject = {
  flags: {
    static: { state: 'ENABLED', variants, defaultVariant: 'on' },
    silent: { state: 'ENABLED', variants, defaultVariant: null },
    shared: {
      state: 'ENABLED',
      variants,
      defaultVariant: 'off',
      targeting: { if: [{ $ref: 'staff' }, 'on', null] },
    },
    dealt: {
      state: 'ENABLED',
      variants,
      targeting: {
        fractional: [
          ['on', 30],
          ['off', 70],
        ],
      },
    },
    seeded: {
      state: 'ENABLED',
      variants,
      targeting: { fractional: [{ cat: ['x', by] }, ['on', 1], ['off', 1]] },
    },
    truth: {
      state: 'ENABLED',
      variants: { true: true, false: false },
      defaultVariant: 'false',
      targeting: { '!!': [by] },
    },
    words: { state: 'ENABLED', variants: { a: 'x', b: 'y' }, defaultVariant: 'a', targeting: 'b' },
    unknown: { state: 'ENABLED', variants, defaultVariant: 'off', targeting: { if: [true, 'gone'] } },
  },
  $evaluators: { staff: { ends_with: [{ var: 'email' }, '@example.com'] } },
};

test('an imported flag answers as it did, and what flagd is given of it does so too', () => {
  const { flags, findings } = importFlagd(flagSet);
  assert.deepEqual(findings, []);
  assert.equal(flags.length, 8);
  const segments = compileSegments(new Map());
  for (const { settings, ...flag } of flags) {
    const program = flagProgram({ ...flag, seed: 'fl', settings }, { flag: () => undefined, segments });
    const compiled = compileProgram(program, {});
    const exported = { flags: { [flag.key]: flagdFlag(program) } };
    const type = flag.type === 'json' ? 'object' : flag.type;
    for (let n = 0; n < 40; n++) {
      const context = {
        ...(n % 3 === 0 ? {} : { targetingKey: `user-${n}` }),
        ...(n % 2 === 0 ? {} : { email: `u${n}@example.com` }),
      };
      const was = evaluate(flagSet, flag.key, type, context, { now: 0 });
      const is = compiled.evaluate(context, 0);
      const again = evaluate(exported, flag.key, type, context, { now: 0 });
      const said = `${flag.key} ${JSON.stringify(context)}`;
      assert.deepEqual([is.value, is.variant, is.errorCode], [was.value, was.variant, was.errorCode], said);
      assert.deepEqual([again.value, again.variant], [was.value, was.variant], said);
    }
  }
});

test('what cannot be carried over is named, and the others are', () => {
  const { flags, findings } = importFlagd({
    flags: {
      good: { state: 'ENABLED', variants, defaultVariant: 'on' },
      'bad key!': { state: 'ENABLED', variants },
      none: null,
      'no-variants': { state: 'ENABLED', variants: {} },
      mixed: { state: 'ENABLED', variants: { a: 1, b: 'x' } },
      stateless: { variants },
      'odd-default': { state: 'ENABLED', variants, defaultVariant: 'x' },
      'odd-operator': { state: 'ENABLED', variants, targeting: { nothing: [] } },
      dangling: { state: 'ENABLED', variants, targeting: { $ref: 'none' } },
      large: { state: 'ENABLED', variants, targeting: { in: [by, ['a'.repeat(70_000)]] } },
      disabled: { state: 'DISABLED', variants, metadata: { team: 'a' } },
    },
  });
  assert.deepEqual(
    flags.map(({ key, settings }) => [key, settings.mode, settings.offVariant]),
    [
      ['good', 'on', 'on'],
      ['disabled', 'off', 'off'],
    ],
  );
  const said = new Map(findings.map(({ flag, what, message }) => [flag, `${what}: ${message}`]));
  assert.match(said.get('bad key!')!, /^skipped: a flag key is/);
  assert.match(said.get('none')!, /no object/);
  assert.match(said.get('no-variants')!, /1 to 50 variants/);
  assert.match(said.get('mixed')!, /not all of one type/);
  assert.match(said.get('stateless')!, /neither ENABLED nor DISABLED/);
  assert.match(said.get('odd-default')!, /"x" is none of its variants/);
  assert.match(said.get('odd-operator')!, /no operator "nothing"/);
  assert.match(said.get('dangling')!, /no shared evaluator/);
  assert.match(said.get('large')!, /fallthrough/);
  assert.deepEqual(
    findings.filter(({ what }) => what === 'changed').map(({ flag, message }) => [flag, message]),
    [
      ['disabled', 'it was disabled, and left the answer to the code; it is off, and serves off'],
      ['disabled', 'its metadata are not carried over'],
    ],
  );
});

test('flags may come as a list, each with its key', () => {
  const { flags, findings } = importFlagd({
    flags: [
      { key: 'a', state: 'ENABLED', variants, defaultVariant: 'on' },
      { state: 'ENABLED', variants },
      5,
    ],
  });
  assert.deepEqual(
    flags.map(({ key }) => key),
    ['a'],
  );
  assert.deepEqual(
    findings.map(({ flag, what }) => [flag, what]),
    [
      ['', 'skipped'],
      ['', 'skipped'],
    ],
  );
});

test('a prerequisite may be on a flag that was imported, whatever its logic answers', () => {
  const { flags } = importFlagd(flagSet);
  const imported = new Map(flags.map((flag) => [flag.key, { ...flag, seed: 'fl' }]));
  const segments = compileSegments(new Map());
  const settings = {
    mode: 'on' as const,
    offVariant: 'off',
    targets: [],
    rules: [],
    fallthrough: { variant: 'on' },
  };
  const answers = (flag: string, variant: string) => {
    const own = {
      key: 'own',
      variants,
      seed: 'fl_own',
      settings: { ...settings, prerequisites: [{ flag, variants: [variant] }] },
    };
    const program = flagProgram(own, { flag: (key) => imported.get(key), segments });
    assert.deepEqual(program.unportable, flag === 'static' ? [] : ['logic']);
    const compiled = compileProgram(program, {});
    return [{}, { targetingKey: 'u', email: 'u@example.com' }].map(
      (context) => compiled.evaluate(context, 0).variant,
    );
  };
  assert.deepEqual(answers('truth', 'true'), ['off', 'on']);
  assert.deepEqual(answers('shared', 'off'), ['on', 'off']);
  assert.deepEqual(answers('static', 'on'), ['on', 'on']);
});
