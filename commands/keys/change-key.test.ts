import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { updateKeySchema } from '../../schemas/commands/keys.ts';
import {
  admin,
  DAY_MS,
  facts,
  iso,
  issued,
  keySpec,
  revokedOwner,
  SPEC_START_MS,
} from '../../test/support/key-spec.ts';
import { decideDisable } from './disable-key.ts';
import { decideEnable } from './enable-key.ts';
import { decideExpire } from './expire-key.ts';
import { decideRevoke } from './revoke-key.ts';
import { decideSetCredits } from './set-credits.ts';
import { decideUpdate } from './update-key.ts';

const reason = 'by hand';
const ownerId = 'own_1';
const owned = issued({ ownerId, ownerVersion: 2 });
const throughOwner = { ...facts, owner: revokedOwner };
const disabled = { type: 'key.disabled' as const, data: { ownerId: null, reason } };
const revoked = { type: 'key.revoked' as const, data: { ownerId: null, reason, cause: 'request' as const } };

describe('revoking a key', () => {
  const command = { ...facts, reason };
  test('given a key, it is revoked with the reason', () => {
    keySpec.given(issued()).when(decideRevoke, command).thenEvents(revoked);
  });
  test('given a revoked key, nothing changes', () => {
    keySpec.given(issued(), revoked).when(decideRevoke, command).thenEvents();
    keySpec
      .given(owned)
      .when(decideRevoke, { ...throughOwner, reason })
      .thenEvents();
  });
  test('given a key that relied on the revoke-all, it is still there to be revoked', () => {
    const later = issued({ ownerId, ownerVersion: 3 });
    const event = { type: 'key.revoked' as const, data: { ownerId, reason, cause: 'request' as const } };
    keySpec
      .given(later)
      .when(decideRevoke, { ...throughOwner, reason })
      .thenEvents(event);
  });
});

describe('disabling and enabling a key', () => {
  test('each changes what the other left, and nothing twice', () => {
    const command = { ...facts, reason, grantor: admin };
    keySpec.given(issued()).when(decideDisable, command).thenEvents(disabled);
    keySpec.given(issued(), disabled).when(decideDisable, command).thenEvents();
    const enabled = { type: 'key.enabled' as const, data: { ownerId: null, reason } };
    keySpec.given(issued(), disabled).when(decideEnable, command).thenEvents(enabled);
    keySpec.given(issued()).when(decideEnable, command).thenEvents();
  });
  test('nobody enables a key that carries more than they do; anyone may disable it', () => {
    const powerful = issued({ use: 'management', permissions: ['*:*'] });
    const command = { ...facts, reason, grantor: { permissions: ['keys:write'] } };
    keySpec.given(powerful, disabled).when(decideEnable, command).thenRefused('permission_escalation');
    keySpec.given(powerful).when(decideDisable, command).thenEvents(disabled);
  });
});

describe('every command at a key that is revoked through its owner', () => {
  const command = { ...throughOwner, reason, grantor: admin, credits: null, scopes: ['b'] };
  for (const decide of [decideDisable, decideEnable, decideUpdate, decideSetCredits]) {
    test(`${decide.name} refuses it as revoked`, () => {
      keySpec
        .given(owned)
        .when(decide, command)
        .thenRefused('conflict', /revoked/);
    });
    test(`${decide.name} takes one that was issued after it`, () => {
      const { state } = keySpec.given(issued({ ownerId, ownerVersion: 3 }));
      assert.ok('accept' in decide(command, state));
    });
  }
});

describe('updating a key', () => {
  const update = (fields: object, more: object = {}) => ({
    ...facts,
    grantor: admin,
    ...updateKeySchema.parse(fields),
    ...more,
  });
  test('one event a changed field, in one decision, and none for what is equal', () => {
    keySpec
      .given(issued({ scopes: ['a'], name: 'Old' }))
      .when(decideUpdate, update({ name: 'New', scopes: ['a'], allowedIps: ['192.0.2.0/24'] }))
      .thenEvents(
        { type: 'key.renamed', data: { ownerId: null, name: 'New' } },
        { type: 'key.allowed-ips-changed', data: { allowedIps: ['192.0.2.0/24'] } },
      );
  });
  test('an equal instant written with another offset is no change', () => {
    const given = keySpec.given(issued({ expiresAt: '2026-06-01T00:00:00Z' }));
    given.when(decideUpdate, update({ expiresAt: '2026-06-01T02:00:00+02:00' })).thenEvents();
  });
  test('null empties, what is left out stays', () => {
    keySpec
      .given(issued({ metadata: { team: 'a' }, expiresAt: iso(SPEC_START_MS + DAY_MS) }))
      .when(decideUpdate, update({ metadata: null, expiresAt: null }))
      .thenEvents(
        { type: 'key.metadata-changed', data: { ownerId: null, metadata: null } },
        { type: 'key.expiry-changed', data: { expiresAt: null } },
      );
  });
  test('a beginning after the end that is there already is refused', () => {
    const given = keySpec.given(issued({ expiresAt: iso(SPEC_START_MS + DAY_MS) }));
    const refused = given
      .when(decideUpdate, update({ notBefore: iso(SPEC_START_MS + 2 * DAY_MS) }))
      .thenRefused('invalid_request');
    assert.equal(refused.errors?.[0]?.field, 'notBefore');
  });
  test('an expired key lives again when its expiry moves', () => {
    const expiresAt = iso(SPEC_START_MS + 1_000);
    const given = keySpec.given(issued({ expiresAt }), { type: 'key.expired', data: { expiresAt } });
    assert.equal(given.state.expired, true);
    const later = iso(facts.nowMs + DAY_MS);
    given
      .when(decideUpdate, update({ expiresAt: later }))
      .thenEvents({ type: 'key.expiry-changed', data: { expiresAt: later } });
  });
  test('permissions cannot be raised above the caller’s, nor put on a key of use "api"', () => {
    const grantor = { permissions: ['keys:write'] };
    const management = keySpec.given(issued({ use: 'management' }));
    management
      .when(decideUpdate, update({ permissions: ['keys:read'] }, { grantor }))
      .thenRefused('permission_escalation');
    keySpec
      .given(issued())
      .when(decideUpdate, update({ permissions: ['keys:read'] }))
      .thenRefused('invalid_request');
  });
});

describe('expiring a key', () => {
  const expiresAtMs = facts.nowMs - 1;
  const expiring = issued({ expiresAt: iso(expiresAtMs) });
  const event = { type: 'key.expired' as const, data: { expiresAt: iso(expiresAtMs) } };
  test('when its time has come, once', () => {
    keySpec
      .given(expiring)
      .when(decideExpire, { ...facts, expiresAtMs })
      .thenEvents(event);
    keySpec
      .given(expiring, event)
      .when(decideExpire, { ...facts, expiresAtMs })
      .thenEvents();
  });
  test('not when the expiry has moved, has not come, or the key is revoked', () => {
    keySpec
      .given(issued())
      .when(decideExpire, { ...facts, expiresAtMs })
      .thenEvents();
    const early = { ...facts, nowMs: expiresAtMs - 1, expiresAtMs };
    keySpec.given(expiring).when(decideExpire, early).thenEvents();
    keySpec
      .given(expiring, revoked)
      .when(decideExpire, { ...facts, expiresAtMs })
      .thenEvents();
  });
});
