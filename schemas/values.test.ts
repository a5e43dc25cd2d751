import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instantSchema, namedLimitsSchema, ownerIdSchema } from './values.ts';

test('an owner id that is an address is refused with the reason', () => {
  const answer = ownerIdSchema.safeParse('ann@example.org');
  assert.equal(answer.success, false);
  assert.match(answer.error!.issues[0]!.message, /opaque/);
});

test('two limits of one name are refused', () => {
  const limit = { name: 'burst', limit: 1, windowSeconds: 1 };
  assert.equal(namedLimitsSchema.safeParse([limit, limit]).success, false);
});

test('an instant that an offset carries out of the four-digit years is refused', () => {
  for (const instant of ['9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+00:01']) {
    assert.equal(instantSchema.safeParse(instant).success, false, instant);
  }
  for (const instant of ['9999-12-31T23:59:59.999Z', '0000-01-01T00:00:00Z', '2026-03-01T08:00:00+05:30']) {
    assert.equal(instantSchema.safeParse(instant).success, true, instant);
  }
});
