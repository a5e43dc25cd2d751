import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashPrefix, murmur3 } from './murmur3.ts';

test('hashes are those of MurmurHash3 x86 32-bit over UTF-8', () => {
  for (const [text, hash] of [
    ['', 0],
    ['a', 0x3c2569b2],
    ['test', 0xba6bd213],
    ['hello', 0x248bfa47],
    ['Hello, world!', 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0x2e4ff723],
    ['é', 0x10110787],
    ['naïve', 0x3b2885d5],
    ['Zürich', 0x29695951],
    ['жизнь', 0xc8108eff],
    ['日本語', 0xa5a47297],
    ['😀', 0xbeb42efa],
    ['a😀b', 0xba4460fc],
  ] as const) {
    assert.equal(murmur3(text), hash, text);
  }
});

test('what was hashed of the beginning before makes no difference', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme-ascii' }), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(text, text, (a, b) => assert.equal(murmur3(b, hashPrefix(a)), murmur3(a + b))),
    {
      // Half of a character each: together they are one.
      examples: [['\ud83d', '\ude00']],
    },
  );
});
