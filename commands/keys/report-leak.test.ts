import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { ownerStream } from '../streams.ts';
import { mintKey } from './key-format.ts';
import { reportLeak } from './report-leak.ts';
import { revokeOwnerKeys } from './revoke-owner-keys.ts';
import { rotateKey } from './rotate-key.ts';

async function leakWorld() {
  const world = await keysWorld();
  const report = (key: string, revoke = false, tenant: string = world.tenant, id?: string) => {
    const at = (keyId: string) => ({ ...world.at(keyId, id), tenant: tenant as never });
    return reportLeak(world.deps, at, tenant, { key, source: 'a public repository', revoke });
  };
  return { ...world, report };
}

describe('reporting a leak', () => {
  test('tells which key it is, and revokes it in the same append where that is wanted', async () => {
    const { issue, report, types, text: logText } = await leakWorld();
    const { keyId, text } = await issue();
    const told = await report(text);
    assert.ok(told.kind === 'accepted');
    assert.deepEqual([told.state.keyId, told.secret, told.revoked], [keyId, 'current', false]);
    const revoked = await report(text, true);
    assert.ok(revoked.kind === 'accepted' && revoked.revoked);
    assert.equal(revoked.state.revokedCause, 'leak');
    assert.deepEqual(types(keyId), ['key.issued', 'key.leak-reported', 'key.leak-reported', 'key.revoked']);
    assert.ok(!logText().includes(text.slice(25, 68)));
  });

  test('a wrong secret, a typing error and another tenant’s key are all not found', async () => {
    const { issue, report, types } = await leakWorld();
    const one = await issue();
    const two = await issue();
    const answers = [
      await report(`${one.text.slice(0, -1)}${one.text.endsWith('0') ? '1' : '0'}`),
      await report(mintKey('live', one.keyId, new Uint8Array(32)), true),
      await report(`nobody's key`),
      await report(one.text, true, 'tnt_other'),
    ];
    for (const answer of answers) {
      assert.equal(answer.kind === 'rejected' && answer.rejection.code, 'not_found');
    }
    assert.deepEqual([types(one.keyId), types(two.keyId)], [['key.issued'], ['key.issued']]);
  });

  test('a rotated secret is told as in overlap, and then as ended', async () => {
    const { deps, issue, report, at, clock } = await leakWorld();
    const { keyId, text } = await issue();
    await rotateKey(deps, at(keyId), everything, { keyId, overlapSeconds: 60 });
    const during = await report(text);
    await clock.advance(61_000);
    const after = await report(text);
    assert.deepEqual(
      [during, after].map((o) => o.kind === 'accepted' && o.secret),
      ['overlap', 'ended'],
    );
  });

  test('a key that is revoked through its owner is told as revoked, and not revoked again', async () => {
    const { deps, issue, report, context, tenant, types } = await leakWorld();
    const { keyId, text } = await issue({ ownerId: 'own_1' });
    await revokeOwnerKeys(deps, context(ownerStream(tenant, 'own_1')), { ownerId: 'own_1', reason: null });
    const told = await report(text, true);
    assert.ok(told.kind === 'accepted' && told.revoked);
    assert.deepEqual(types(keyId), ['key.issued', 'key.leak-reported']);
  });

  test('the same report twice is one', async () => {
    const { issue, report, tenant, types } = await leakWorld();
    const { keyId, text } = await issue();
    await report(text, true, tenant, 'once');
    const again = await report(text, true, tenant, 'once');
    assert.ok(again.kind === 'accepted' && again.replayed && again.revoked);
    assert.equal(types(keyId).length, 3);
  });
});
