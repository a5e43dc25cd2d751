import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketOf, MAX_TOTAL_WEIGHT } from './bucket.ts';

test('a bucket is the hash times the total, its 32 lower bits dropped, exactly', () => {
  const hash = fc.integer({ min: 0, max: 0xffff_ffff });
  const total = fc.oneof(
    fc.integer({ min: 0, max: MAX_TOTAL_WEIGHT }),
    fc.constantFrom(1, 100, 100_000, 2 ** 21),
  );
  fc.assert(
    fc.property(hash, total, (h, t) => {
      assert.equal(bucketOf(h, t), Number((BigInt(h) * BigInt(t)) >> 32n));
    }),
    {
      numRuns: 5_000,
      examples: [
        [0xffff_ffff, MAX_TOTAL_WEIGHT],
        [0xffff_ffff, 2 ** 21],
        [0x8000_0000, 2 ** 21 + 1],
      ],
    },
  );
});
