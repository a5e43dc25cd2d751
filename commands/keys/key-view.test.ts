import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeyState, noKey } from './key-state.ts';
import { keyStatus, keyView } from './key-view.ts';
import { noOwner } from './owner-state.ts';

const key: KeyState = {
  ...noKey,
  version: 3,
  keyId: 'key_000000000001',
  ownerId: 'ann',
  createdAtMs: 1,
  updatedAtMs: 2,
};

test('of states that hold at once, the one that verify would name first is shown', () => {
  const all = { ...key, revokedAtMs: 5, disabled: true, notBeforeMs: 100, expiresAtMs: 1 };
  const shown: string[] = [];
  for (const less of [
    {},
    { revokedAtMs: null },
    { disabled: false },
    { notBeforeMs: null },
    { expiresAtMs: null },
  ]) {
    Object.assign(all, less);
    shown.push(keyStatus(all, noOwner, 50));
  }
  assert.deepEqual(shown, ['revoked', 'disabled', 'not_yet_valid', 'expired', 'active']);
});

test('a key is expired at its very expiry, and valid from its very not-before on', () => {
  assert.equal(keyStatus({ ...key, expiresAtMs: 50 }, noOwner, 49), 'active');
  assert.equal(keyStatus({ ...key, expiresAtMs: 50 }, noOwner, 50), 'expired');
  assert.equal(keyStatus({ ...key, notBeforeMs: 50 }, noOwner, 50), 'active');
});

test('a revoke-all shows on every key that relied on less, with its time and cause', () => {
  const owner = { version: 4, revokedAllVersion: 4, revokedAllAtMs: 7 };
  const view = keyView({ ...key, ownerVersion: 3 }, owner, 10);
  assert.deepEqual(
    [view.status, view.revokedCause, view.revokedAt],
    ['revoked', 'owner', new Date(7).toISOString()],
  );
  assert.equal(keyView({ ...key, ownerVersion: 4 }, owner, 10).status, 'active');
});

test('a refill that has fallen due shows before it is written', () => {
  const credits = {
    remaining: 1,
    refill: { amount: 100, everySeconds: 60 },
    refilledAtMs: 0,
    sinceVersion: 1,
  };
  assert.equal(keyView({ ...key, credits }, noOwner, 59_999).credits!.remaining, 1);
  assert.equal(keyView({ ...key, credits }, noOwner, 60_000).credits!.remaining, 100);
});
