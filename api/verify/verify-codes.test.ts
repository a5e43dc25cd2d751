import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pepperedDigest } from '../../commands/keys/digest.ts';
import { mintKey } from '../../commands/keys/key-format.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import type { StreamId } from '../../schemas/envelope.ts';
import { burst, rejectedAs, started } from '../../test/support/started-verifier.ts';
import type { verifyWorld } from '../../test/support/verify-world.ts';
import { OTHER_TENANT, TENANT, testPeppers } from '../../test/support/verify-world.ts';

describe('the codes of verify', () => {
  const at = (ms: number) => new Date(Date.parse('2026-01-01T00:00:00Z') + ms).toISOString();
  const codes: readonly [
    string,
    Parameters<ReturnType<typeof verifyWorld>['issue']>[0],
    Record<string, unknown>,
    string,
  ][] = [
    ['a key whose time has not come', { notBefore: at(3_600_000) }, {}, 'NOT_YET_VALID'],
    ['a key past its expiry, before any event says so', { expiresAt: at(1) }, {}, 'EXPIRED'],
    ['an address that is not allowed', { allowedIps: ['10.0.0.0/8'] }, { ip: '11.0.0.1' }, 'FORBIDDEN'],
    ['no address where one is demanded', { allowedIps: ['10.0.0.0/8'] }, {}, 'FORBIDDEN'],
    ['an allowed address', { allowedIps: ['10.0.0.0/8'] }, { ip: '10.1.2.3' }, 'VALID'],
    ['a missing scope', { scopes: ['a'] }, { scopes: 'b' }, 'INSUFFICIENT_PERMISSIONS'],
    ['one of several scopes', { scopes: ['a'] }, { scopes: { any: ['b', 'a'] } }, 'VALID'],
    ['exhausted credits', { credits: { remaining: 0, refill: null } }, {}, 'USAGE_EXCEEDED'],
  ];
  for (const [name, issued, asked, expected] of codes) {
    it(`answer ${expected} to ${name}`, async (t) => {
      const w = await started(t);
      const { text } = await w.issue(issued);
      assert.equal((await w.verify(text, asked)).code, expected);
    });
  }

  it('tell nothing of an unknown, a mistyped or another tenant’s key', async (t) => {
    const w = await started(t);
    const { text, keyId } = await w.issue({}, OTHER_TENANT);
    const made = mintKey('live', 'key_zzzzzzzzzzzz', new Uint8Array(32));
    const wrong = mintKey('live', keyId, new Uint8Array(32).fill(99));
    for (const asked of [text, made, wrong, `${text.slice(0, -1)}!`, `${text.slice(0, -1)}0`]) {
      const view = await w.verify(asked);
      assert.deepEqual([view.code, view.keyId, view.ownerId, view.use], ['NOT_FOUND', null, null, null]);
    }
    assert.deepEqual(w.decisions, []);
  });

  it('find no such key where it is given a management key', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ use: 'management', permissions: ['keys:*'] });
    const view = await w.verify(text);
    assert.deepEqual([view.valid, view.code, view.keyId], [false, 'NOT_FOUND', null]);
    assert.deepEqual(w.decisions, []);
  });

  it('take the old secret until its overlap ends, by the clock', async (t) => {
    const w = await started(t);
    const old = await w.issue();
    const fresh = mintKey('live', old.keyId, new Uint8Array(32).fill(77));
    const digest = Buffer.from(pepperedDigest(testPeppers, [1], fresh)!).toString('base64url');
    const secret = { digest, pepperVersions: [1], hint: null };
    const overlapUntil = new Date(w.clock.now() + 10_000).toISOString();
    await w.append(keyStream(old.keyId), 'key.rotated', { secret, overlapUntil }, TENANT);
    assert.deepEqual([(await w.verify(old.text)).code, (await w.verify(fresh)).code], ['VALID', 'VALID']);
    await w.clock.advance(10_000);
    assert.deepEqual([(await w.verify(old.text)).code, (await w.verify(fresh)).code], ['NOT_FOUND', 'VALID']);
  });

  it('name the limit that the key does not have', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ limits: [burst] });
    await assert.rejects(w.verify(text, { limits: [{ name: 'other' }] }), rejectedAs('unknown_limit'));
    assert.deepEqual((await w.verify(text, { limits: [] })).limits, []);
  });

  it('spend nothing on a denial, and deny in the order of the codes', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({
      limits: [burst],
      credits: { remaining: 5, refill: null },
      scopes: ['a'],
    });
    for (let i = 0; i < 5; i++) {
      const view = await w.verify(text, { scopes: 'b' });
      assert.equal(view.code, 'INSUFFICIENT_PERMISSIONS');
      assert.deepEqual([view.limits[0]!.remaining, view.credits], [2, { remaining: 5 }]);
    }
    await w.verify(text);
    await w.verify(text);
    const limited = await w.verify(text);
    assert.deepEqual(
      [limited.code, limited.credits, limited.retryAfterSeconds],
      ['RATE_LIMITED', { remaining: 3 }, 30],
    );
    assert.equal((await w.verify(text, { scopes: 'b' })).code, 'RATE_LIMITED');
    for (let i = 0; i < 3; i++) assert.equal((await w.verify(text, { limits: [] })).code, 'VALID');
    assert.equal((await w.verify(text, { scopes: 'b' })).code, 'USAGE_EXCEEDED');
    assert.equal((await w.verify(text)).code, 'USAGE_EXCEEDED');
  });

  it('deny a key when its own, its owner’s or its tenant’s stream is parked', async (t) => {
    for (const stream of ['own', 'owner', 'tenant'] as const) {
      const w = await started(t);
      const { text, keyId } = await w.issue({ ownerId: 'o1' });
      const parked: StreamId =
        stream === 'own'
          ? keyStream(keyId)
          : stream === 'owner'
            ? ownerStream(TENANT, 'o1')
            : tenantStream(TENANT);
      w.state.parked.add(parked);
      assert.equal((await w.verify(text)).code, 'STREAM_PARKED');
    }
  });

  it('revoke by the owner, and suspend by the tenant', async (t) => {
    const w = await started(t);
    const { text } = await w.issue({ ownerId: 'o1' });
    assert.equal((await w.verify(text)).code, 'VALID');
    await w.append(ownerStream(TENANT, 'o1'), 'owner.keys-revoked', { ownerId: 'o1', reason: null }, TENANT);
    await w.clock.advance(500);
    assert.equal((await w.verify(text)).code, 'REVOKED');
    const later = await w.issue({ ownerId: 'o1', ownerVersion: 1 });
    assert.equal((await w.verify(later.text)).code, 'VALID');
    await w.append(tenantStream(TENANT), 'tenant.suspended', { reason: null }, TENANT);
    await w.clock.advance(500);
    assert.equal((await w.verify(later.text)).code, 'TENANT_SUSPENDED');
  });
});
