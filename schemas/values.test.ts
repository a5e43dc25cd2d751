import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namedLimitsSchema, ownerIdSchema } from './values.ts';

test('an owner id that is an address is refused with the reason', () => {
  const answer = ownerIdSchema.safeParse('ann@example.org');
  assert.equal(answer.success, false);
  assert.match(answer.error!.issues[0]!.message, /opaque/);
});

test('two limits of one name are refused', () => {
  const limit = { name: 'burst', limit: 1, windowSeconds: 1 };
  assert.equal(namedLimitsSchema.safeParse([limit, limit]).success, false);
});
