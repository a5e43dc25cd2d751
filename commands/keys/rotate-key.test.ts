import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admin, facts, iso, issued, keySpec, revokedOwner } from '../../test/support/key-spec.ts';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { MAX_SECRETS } from './key-state.ts';
import { matchSecret } from './match-secret.ts';
import { decideRotate, rotateKey } from './rotate-key.ts';

const secret = { digest: 'digest-2', pepperVersions: [1], hint: 'bbbb' };
const command = { ...facts, secret, overlapSeconds: 60, grantor: admin };

describe('rotating a key, decided', () => {
  test('the secrets before it end with the overlap', () => {
    const overlapUntil = iso(facts.nowMs + 60_000);
    keySpec
      .given(issued())
      .when(decideRotate, command)
      .thenEvents({ type: 'key.rotated', data: { secret, overlapUntil } });
  });
  test('with no overlap they end at once', () => {
    const { state } = keySpec.given(issued(), { type: 'key.rotated', data: { secret, overlapUntil: null } });
    assert.deepEqual(
      state.secrets.map((s) => s.digest),
      ['digest-2'],
    );
  });
  test('a later rotation never lengthens an overlap that was promised shorter', () => {
    const soon = iso(facts.nowMs);
    const late = iso(facts.nowMs + 60_000);
    const { state } = keySpec.given(
      issued(),
      { type: 'key.rotated', data: { secret, overlapUntil: soon } },
      { type: 'key.rotated', data: { secret: { ...secret, digest: 'digest-3' }, overlapUntil: late } },
    );
    assert.deepEqual(
      state.secrets.map((s) => s.validUntilMs),
      [facts.nowMs, facts.nowMs + 60_000, null],
    );
  });
  test('no more secrets are good at once than can be kept', () => {
    const rotated = Array.from({ length: MAX_SECRETS - 1 }, (_, i) => ({
      type: 'key.rotated' as const,
      data: { secret: { ...secret, digest: `d${i}` }, overlapUntil: iso(facts.nowMs + 1_000) },
    }));
    keySpec
      .given(issued(), ...rotated)
      .when(decideRotate, command)
      .thenRefused('conflict', /8 secrets/);
    keySpec
      .given(issued(), ...rotated)
      .when(decideRotate, { ...command, overlapSeconds: 0 })
      .thenEvents({ type: 'key.rotated', data: { secret, overlapUntil: null } });
  });
  test('a key revoked through its owner is revoked', () => {
    keySpec
      .given(issued({ ownerId: 'own_1', ownerVersion: 2 }))
      .when(decideRotate, { ...command, owner: revokedOwner })
      .thenRefused('conflict', /revoked/);
  });
  test('a caller cannot get the secret of a key that can do more than it', () => {
    keySpec
      .given(issued({ use: 'management', permissions: ['keys:*'] }))
      .when(decideRotate, { ...command, grantor: { permissions: ['keys:write'] } })
      .thenRefused('permission_escalation');
  });
  test('another tenant’s key is not there', () => {
    keySpec
      .given(issued())
      .when(decideRotate, { ...command, tenant: 'tnt_other' })
      .thenRefused('not_found');
  });
});

describe('rotating a key, through the log', () => {
  test('the id stays, both secrets open it, and a replay shows none', async () => {
    const { deps, issue, at } = await keysWorld();
    const { keyId, text } = await issue();
    const input = { keyId, overlapSeconds: 3600 };
    const first = await rotateKey(deps, at(keyId, 'r'), everything, input);
    const again = await rotateKey(deps, at(keyId, 'r'), everything, input);
    assert.ok(first.kind === 'accepted' && again.kind === 'accepted');
    const next = first.secret!.reveal();
    assert.equal(next.slice(0, 25), text.slice(0, 25));
    assert.notEqual(next, text);
    assert.equal(
      matchSecret(deps.peppers, first.state.secrets, text)?.validUntilMs,
      deps.clock.now() + 3_600_000,
    );
    assert.equal(matchSecret(deps.peppers, first.state.secrets, next)?.validUntilMs, null);
    assert.equal(again.secret, null);
    assert.deepEqual(again.state, first.state);
  });

  test('If-Match of an older version is refused, and of another tenant’s key not told apart from none', async () => {
    const { deps, issue, at, context } = await keysWorld();
    const { keyId } = await issue();
    const input = { keyId, overlapSeconds: 0, ifVersion: 7 };
    const stale = await rotateKey(deps, at(keyId), everything, input);
    assert.equal(stale.kind === 'rejected' && stale.rejection.code, 'precondition_failed');
    const foreign = { ...context('x'), tenant: 'tnt_other' as never };
    const hidden = await rotateKey(deps, foreign, everything, input);
    assert.equal(hidden.kind === 'rejected' && hidden.rejection.code, 'not_found');
  });
});
