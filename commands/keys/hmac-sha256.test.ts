import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../schemas/secret.ts';
import { hmacSha256 } from './hmac-sha256.ts';

const inputs = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.uint8Array({ maxLength: 2_000 }),
  fc.nat({ max: 1_200 }).map((length) => 'é'.repeat(length)),
);

test('the digest is that of HMAC-SHA-256, whatever the key and however often it is used', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(inputs, { minLength: 1 }), (key, texts) => {
      const secret = new Secret(key);
      for (const text of texts) {
        const expected = createHmac('sha256', key).update(text).digest('hex');
        assert.equal(Buffer.from(hmacSha256(secret, text)).toString('hex'), expected);
      }
    }),
  );
});
