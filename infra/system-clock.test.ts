import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from './system-clock.ts';

test('random bytes are as many as asked for, are the caller’s own, and do not come twice', () => {
  const seen = new Set<string>();
  let drawn = 0;
  for (let i = 0; i < 2_000; i++) {
    const length = 8 + (i % 300);
    const bytes = systemRandom.bytes(length);
    drawn += 1;
    assert.equal(bytes.length, length);
    assert.ok(bytes.some((byte) => byte !== 0));
    seen.add(Buffer.from(bytes).subarray(0, 8).toString('hex'));
    if (length <= 256) assert.equal(bytes.buffer.byteLength, length, 'no view of what others get');
    bytes.fill(0);
  }
  assert.equal(seen.size, drawn);
});
