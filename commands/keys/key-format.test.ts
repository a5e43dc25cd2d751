import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checksum, hintOf, mintKey, parseKey, SCANNER_PATTERN } from './key-format.ts';

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keyId = fc.stringMatching(/^key_[0-9A-Za-z]{12}$/);
const mode = fc.constantFrom('live' as const, 'test' as const);

describe('the text of a key', () => {
  test('the checksum is that of GitHub’s tokens', () => {
    assert.equal(checksum('zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ'), '0mLq17');
  });

  test('what is minted parses to its own id and mode', () => {
    fc.assert(
      fc.property(bytes, keyId, mode, (random, id, m) => {
        const text = mintKey(m, id, random);
        assert.deepEqual(parseKey(text), { kind: 'plinth', keyId: id, mode: m });
        assert.match(text, new RegExp(`^${SCANNER_PATTERN}$`));
        assert.ok(text.includes(hintOf(text)) && hintOf(text).length === 4);
      }),
    );
  });

  test('all 256 bits are in it: two secrets that differ make two texts', () => {
    fc.assert(
      fc.property(bytes, fc.nat(255), (random, bit) => {
        const other = Uint8Array.from(random);
        other[bit >> 3]! ^= 1 << (bit & 7);
        assert.notEqual(
          mintKey('live', 'key_AAAAAAAAAAAA', random),
          mintKey('live', 'key_AAAAAAAAAAAA', other),
        );
      }),
    );
  });

  test('one character changed in id, secret or checksum is a bad checksum', () => {
    fc.assert(
      fc.property(
        bytes,
        keyId,
        fc.integer({ min: 12, max: 73 }),
        fc.constantFrom(...'09AZaz'),
        (random, id, at, c) => {
          const text = mintKey('live', id, random);
          fc.pre(at !== 24 && text[at] !== c);
          assert.deepEqual(parseKey(text.slice(0, at) + c + text.slice(at + 1)), { kind: 'bad-checksum' });
        },
      ),
    );
  });

  test('a foreign format is null, however near it comes', () => {
    const text = mintKey('live', 'key_AAAAAAAAAAAA', new Uint8Array(32));
    const foreign = ['', 'sk_live_abc', text.slice(1), `${text}0`, ` ${text}`, `${text}\n`.slice(1)];
    for (const near of [...foreign, text.replace('live', 'prod'), text.replace('plinth', 'plimth')]) {
      assert.equal(parseKey(near), null, near);
    }
  });

  test('a scanner finds it in the middle of other text', () => {
    const text = mintKey('test', 'key_AAAAAAAAAAAA', new Uint8Array(32).fill(9));
    assert.equal(new RegExp(SCANNER_PATTERN).exec(`KEY="${text}";`)?.[0], text);
  });
});
