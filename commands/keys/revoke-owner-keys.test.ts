import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { facts, issued, keySpec, revokedOwner } from '../../test/support/key-spec.ts';
import { keysWorld } from '../../test/support/keys-world.ts';
import { ownerStream } from '../streams.ts';
import { disableKey } from './disable-key.ts';
import { isRevoked } from './is-revoked.ts';
import { revokeKeys } from './revoke-key.ts';
import { decideRevokeOwned } from './revoke-owned-key.ts';
import { revokeOwnerKeys } from './revoke-owner-keys.ts';

const ownerId = 'own_1';

describe('revoking all keys of an owner', () => {
  test('is one event, revokes what was issued before, and leaves what is issued after', async () => {
    const { deps, issue, context, tenant, owner, at, log } = await keysWorld();
    const before = await issue({ ownerId });
    const other = await issue({ ownerId: 'own_2' });
    const count = log.events.length;
    const target = ownerStream(tenant, ownerId);
    const outcome = await revokeOwnerKeys(deps, context(target), { ownerId, reason: 'phished' });
    assert.equal(log.events.length, count + 1);
    assert.ok(outcome.kind === 'accepted' && outcome.state.revokedAllVersion === 1);
    const after = await issue({ ownerId });
    const now = await owner(ownerId);
    assert.deepEqual([isRevoked(before.key, now), isRevoked(after.key, now)], [true, false]);
    assert.equal(isRevoked(other.key, await owner('own_2')), false);
    const refused = await disableKey(deps, at(before.keyId), { keyId: before.keyId, reason: null });
    assert.equal(refused.kind === 'rejected' && refused.rejection.code, 'conflict');
    const taken = await disableKey(deps, at(after.keyId), { keyId: after.keyId, reason: null });
    assert.equal(taken.kind, 'accepted');
  });

  test('the same command twice is one revoke-all; a second one catches what came between', async () => {
    const { deps, issue, context, tenant, owner } = await keysWorld();
    const target = ownerStream(tenant, ownerId);
    await revokeOwnerKeys(deps, context(target, 'all'), { ownerId, reason: null });
    const between = await issue({ ownerId });
    const again = await revokeOwnerKeys(deps, context(target, 'all'), { ownerId, reason: null });
    assert.ok(again.kind === 'accepted' && again.replayed);
    assert.equal(isRevoked(between.key, await owner(ownerId)), false);
    await revokeOwnerKeys(deps, context(target), { ownerId, reason: null });
    assert.equal(isRevoked(between.key, await owner(ownerId)), true);
  });

  test('a revoke-all that comes while a key is issued revokes it', async () => {
    const { deps, issue, context, tenant, owner, log } = await keysWorld();
    const target = ownerStream(tenant, ownerId);
    // Between the owner's fold and the key's append.
    const append = log.append.bind(log);
    let first = true;
    deps.log.append = async (...args) => {
      if (first) {
        first = false;
        await revokeOwnerKeys(deps, context(target), { ownerId, reason: null });
      }
      return append(...args);
    };
    const { key } = await issue({ ownerId });
    assert.equal(isRevoked(key, await owner(ownerId)), true);
  });
});

describe('the follow-up to a revoke-all, decided', () => {
  const command = { ...facts, owner: revokedOwner, ownerId, revokeAllVersion: 3, reason: 'phished' };
  const event = {
    type: 'key.revoked' as const,
    data: { ownerId, reason: 'phished', cause: 'owner' as const },
  };
  test('writes down what is so for a key issued before it', () => {
    keySpec
      .given(issued({ ownerId, ownerVersion: 2 }))
      .when(decideRevokeOwned, command)
      .thenEvents(event);
  });
  test('does nothing to a key that relied on it or on a later version', () => {
    for (const ownerVersion of [3, 4]) {
      keySpec.given(issued({ ownerId, ownerVersion })).when(decideRevokeOwned, command).thenEvents();
    }
  });
  test('does nothing twice, nor to a key of somebody else', () => {
    keySpec.given(issued({ ownerId }), event).when(decideRevokeOwned, command).thenEvents();
    keySpec
      .given(issued({ ownerId: 'own_2' }))
      .when(decideRevokeOwned, command)
      .thenEvents();
    keySpec
      .given(issued({ ownerId }))
      .when(decideRevokeOwned, { ...command, tenant: 'tnt_other' })
      .thenEvents();
    keySpec.given().when(decideRevokeOwned, command).thenEvents();
  });
});

describe('revoking many keys', () => {
  test('answers for each, in the order asked for, and a retry answers the same', async () => {
    const { deps, issue, context } = await keysWorld();
    const [a, b] = [await issue(), await issue()];
    const keyIds = [a.keyId, 'key_doesnotexist'.slice(0, 16), b.keyId];
    const ask = () => revokeKeys(deps, (target) => context(target, 'many'), { keyIds, reason: null });
    const first = await ask();
    assert.deepEqual(
      first.map(({ keyId, outcome }) => [keyId, outcome.kind]),
      [
        [keyIds[0], 'accepted'],
        [keyIds[1], 'rejected'],
        [keyIds[2], 'accepted'],
      ],
    );
    const again = await ask();
    assert.deepEqual(
      again.map(({ outcome }) => outcome.kind === 'accepted' && outcome.replayed),
      [true, false, true],
    );
  });
});
