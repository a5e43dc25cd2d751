import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlinthError } from '../../schemas/errors.ts';
import { MAX_JSON_DEPTH, parseJson } from './json-body.ts';

const parse = (text: string) => parseJson(Buffer.from(text));

test('any JSON without hostile names or characters is parsed as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 10, stringUnit: 'grapheme' }), (text) => {
      fc.pre(!/__proto__|constructor|\\u0000/.test(text));
      assert.deepEqual(parse(text), JSON.parse(text));
    }),
  );
});

test('depth is counted outside strings, and bounded exactly', () => {
  const at = '['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH);
  assert.doesNotThrow(() => parse(at));
  assert.throws(() => parse(`[${at}]`), PlinthError);
  assert.doesNotThrow(() => parse(JSON.stringify({ text: '[{'.repeat(100), quoted: '\\"[[' })));
});

test('a hostile name is found however it is written, and named by its path', () => {
  for (const text of [
    '{"a":[{"__proto__":1}]}',
    '{"a":[{"\\u005f_proto__":1}]}',
    '{"a":[{"constructor":1}]}',
    '{"a":[{"\\u0063onstructor":1}]}',
    '{"a":[{"con\\u0073tructor":1}]}',
    '{"a":[{"_\\u005fproto__":1}]}',
    '{"a":[{"__p\\u0072oto__":1}]}',
  ]) {
    assert.throws(
      () => parse(text),
      (error: unknown) =>
        error instanceof PlinthError && error.rejection.errors![0]!.field.startsWith('a[0].'),
      text,
    );
  }
});

test('characters that no database takes are refused wherever they are', () => {
  for (const text of ['"\\u0000"', '{"a\\u0000":1}', '["\\uD83D"]', '["\\ude00"]']) {
    assert.throws(() => parse(text), PlinthError, text);
  }
  assert.equal(parse('"\\ud83d\\ude00"'), '😀');
});

test('a fault of syntax is told without quoting what was sent', () => {
  try {
    parse('{"key": plinth_live_secret}');
    assert.fail('it was taken');
  } catch (error) {
    assert.ok(!JSON.stringify((error as PlinthError).rejection).includes('plinth'));
  }
});
