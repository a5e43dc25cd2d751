import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { base62, uuidv5 } from './ids.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

test('base62 writes the last digits of the bytes as one number', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 60 }), (bytes, length) => {
      let value = BigInt(`0x0${Buffer.from(bytes).toString('hex')}`);
      let digits = '';
      for (let i = 0; i < length; i++) {
        digits = DIGITS[Number(value % 62n)] + digits;
        value /= 62n;
      }
      assert.equal(base62(bytes, length), digits);
    }),
  );
});

/** For the buffer in which names are put together. */
const tooLong = fc.nat({ max: 5_000 }).map((length) => 'ü'.repeat(length));

test('a name-based id is the SHA-1 of namespace and parts, each ended by a zero byte', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array(), tooLong)), (parts) => {
      const hash = createHash('sha1').update(Buffer.from('8d2f1f0c5b7e4e0e9a3c6b1d2e4f7a90', 'hex'));
      for (const part of parts) hash.update(part).update('\u0000');
      const bytes = hash.digest();
      bytes[6] = (bytes[6]! & 0x0f) | 0x50;
      bytes[8] = (bytes[8]! & 0x3f) | 0x80;
      assert.equal(uuidv5(...parts).replaceAll('-', ''), bytes.toString('hex', 0, 16));
    }),
  );
});
