import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, JsonObject } from '../../../schemas/json.ts';
import { compileFlag } from './compile-flag.ts';
import { evaluate } from './evaluate.ts';

const now = 1_700_000_000_000;
const variants = { on: true, off: false };
const flagOf = (more: JsonObject): JsonObject => ({
  state: 'ENABLED',
  variants,
  defaultVariant: 'off',
  ...more,
});
const setOf = (flag: Json, more: JsonObject = {}): JsonObject => ({ flags: { flag }, ...more });
const ask = (flag: Json, context: JsonObject = {}) =>
  evaluate(setOf(flag), 'flag', 'boolean', context, { now });

test('a flag without targeting is static, one whose targeting says nothing has its default', () => {
  const said = { value: false, variant: 'off', flagMetadata: {} };
  assert.deepEqual(ask(flagOf({})), { ...said, reason: 'STATIC' });
  assert.deepEqual(ask(flagOf({ targeting: {} })), { ...said, reason: 'STATIC' });
  assert.deepEqual(ask(flagOf({ targeting: { var: 'x' } })), { ...said, reason: 'DEFAULT' });
});

test('an answer names a variant, true and false too', () => {
  const named = flagOf({ targeting: { var: 'want' } });
  assert.equal(ask(named, { want: 'on' }).value, true);
  const boolean = flagOf({
    variants: { true: true, false: false },
    defaultVariant: 'false',
    targeting: { '!!': { var: 'x' } },
  });
  assert.deepEqual(ask(boolean, { x: 1 }), {
    value: true,
    variant: 'true',
    reason: 'TARGETING_MATCH',
    flagMetadata: {},
  });
});

test('without a default the code has its own, and a disabled flag leaves it to the code', () => {
  for (const defaultVariant of [null, '']) {
    assert.deepEqual(ask(flagOf({ defaultVariant })), { reason: 'DEFAULT', flagMetadata: {} });
    assert.deepEqual(ask(flagOf({ defaultVariant, targeting: { var: 'x' } })), {
      reason: 'DEFAULT',
      flagMetadata: {},
    });
  }
  assert.deepEqual(ask(flagOf({ state: 'DISABLED' })), { reason: 'DISABLED', flagMetadata: {} });
});

test('every error has its code, and none has a value', () => {
  const set = setOf(flagOf({}));
  const codeOf = (...[flagSet, key, type, context]: [string | JsonObject, string?, 'string'?, Json?]) => {
    const answer = evaluate(flagSet, key ?? 'flag', type ?? 'boolean', (context ?? {}) as JsonObject, {
      now,
    });
    assert.equal('value' in answer, false);
    assert.equal(answer.reason, 'ERROR');
    return answer.errorCode;
  };
  assert.equal(codeOf('{"flags":'), 'PARSE_ERROR');
  assert.equal(codeOf('[]'), 'PARSE_ERROR');
  assert.equal(codeOf({}), 'PARSE_ERROR');
  assert.equal(codeOf(set, 'other'), 'FLAG_NOT_FOUND');
  assert.equal(codeOf(set, 'constructor'), 'FLAG_NOT_FOUND');
  assert.equal(codeOf(set, 'flag', 'string'), 'TYPE_MISMATCH');
  assert.equal(codeOf(set, 'flag', undefined, [1]), 'INVALID_CONTEXT');
  assert.equal(codeOf(setOf(flagOf({ targeting: { nothing: [] } }))), 'PARSE_ERROR');
  assert.equal(codeOf(setOf(flagOf({ targeting: 'other' }))), 'GENERAL');
  assert.equal(
    codeOf(setOf(flagOf({ targeting: { cat: { var: 'x' } } })), 'flag', undefined, { x: { toString: 1 } }),
    'GENERAL',
  );
  for (const broken of [
    null,
    'a',
    flagOf({ state: 'ON' }),
    flagOf({ variants: [] }),
    flagOf({ defaultVariant: 'x' }),
    flagOf({ defaultVariant: 'toString' }),
  ]) {
    assert.equal(codeOf(setOf(broken)), 'PARSE_ERROR', JSON.stringify(broken));
  }
});

test('what a flag says of itself counts more than what its set says', () => {
  const set = setOf(flagOf({ metadata: { team: 'a' } }), { metadata: { team: 'b', version: '7' } });
  assert.deepEqual(evaluate(JSON.stringify(set), 'flag', 'boolean', null, { now }).flagMetadata, {
    team: 'a',
    version: '7',
  });
});

test('time is what the caller says it is', () => {
  const flag = flagOf({
    targeting: { if: [{ '>=': [{ var: '$flagd.timestamp' }, 1_700_000_000] }, 'on', 'off'] },
  });
  assert.equal(evaluate(setOf(flag), 'flag', 'boolean', {}, { now }).value, true);
  assert.equal(evaluate(setOf(flag), 'flag', 'boolean', {}, { now: now - 1 }).value, false);
});

test('answers are frozen and shared: nobody can change what others get', () => {
  const flag = compileFlag('flag', flagOf({ variants: { on: { a: { b: [1] } }, off: {} }, targeting: 'on' }));
  const first = flag.evaluate({}, now);
  assert.equal(flag.evaluate({}, now), first);
  const value = first.value as { a: { b: number[] } };
  assert.throws(() => value.a.b.push(2), TypeError);
});

test('buckets are golden: who got what yesterday gets it for ever', () => {
  const deal = (seed: string, key: string, ...buckets: [string, number][]) => {
    const targeting: Json = { fractional: [{ cat: [seed, { var: 'key' }] }, ...buckets] };
    const names = Object.fromEntries(buckets.map(([name]) => [name, name]));
    return evaluate(
      setOf({ state: 'ENABLED', variants: names, targeting }),
      'flag',
      'string',
      { key },
      { now },
    ).variant;
  };
  /** The bucket itself, by weights that end at it and before it. */
  const isBucket = (seed: string, key: string, total: number, bucket: number) =>
    deal(seed, key, ['before', bucket], ['it', 1], ['after', total - bucket - 1]) === 'it';
  for (const [seed, key, total, bucket] of [
    ['fl_1/gate', 'jane@example.com', 100_000, 76_141],
    ['fl_1/split', 'jane@example.com', 100_000, 15_728],
    ['fl_1/gate', 'joe@example.com', 100_000, 67_662],
    ['', 'user-1', 100, 97],
    ['', 'user-2', 100, 86],
    ['checkout', 'user-1', 2_147_483_647, 1_552_519_863],
    ['checkout', 'Zürich', 100_000, 67_784],
    ['checkout', '日本語', 100_000, 8_824],
    ['checkout', '😀', 7, 5],
  ] as const) {
    assert.ok(isBucket(seed, key, total, bucket), `${seed} ${key}`);
  }
});

test('without a key of its own a rule deals by the flag and the targeting key', () => {
  const flag = flagOf({
    targeting: {
      fractional: [
        ['on', 50],
        ['off', 50],
      ],
    },
  });
  const explicit = flagOf({
    targeting: { fractional: [{ cat: ['flag', { var: 'targetingKey' }] }, ['on', 50], ['off', 50]] },
  });
  const seen = new Set();
  for (let n = 0; n < 50; n++) {
    const context = { targetingKey: `user-${n}` };
    seen.add(ask(flag, context).variant);
    assert.deepEqual(ask(flag, context), ask(explicit, context));
  }
  assert.equal(seen.size, 2);
  assert.equal(ask(flag).reason, 'DEFAULT');
  assert.equal(ask(flag, { targetingKey: '' }).reason, 'DEFAULT');
});

test('buckets that are none deal nothing', () => {
  const buckets: readonly Json[] = [['on', 1.5], ['on', '1'], ['on', 1, 1], [], 'on', [{ var: 'list' }, 1]];
  for (const bucket of buckets) {
    const answer = ask(flagOf({ targeting: { fractional: ['key', bucket, ['on', 1]] } }), { list: [] });
    assert.equal(answer.reason, 'DEFAULT', JSON.stringify(bucket));
  }
  const heavy = flagOf({ targeting: { fractional: ['key', ['on', 2_147_483_647], ['on', 1]] } });
  assert.equal(ask(heavy).reason, 'DEFAULT');
});
