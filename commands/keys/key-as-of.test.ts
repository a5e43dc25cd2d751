import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { ownerStream, tenantStream } from '../streams.ts';
import { suspendTenant } from '../tenants/suspend-tenant.ts';
import { explainAsOf, keyAsOf } from './key-as-of.ts';
import { keyHistory } from './key-history.ts';
import { revokeOwnerKeys } from './revoke-owner-keys.ts';
import { updateKey } from './update-key.ts';

/** A key's life: issued, scoped a minute later, its owner's keys revoked and its tenant suspended after that. */
async function life() {
  const world = await keysWorld();
  const { deps, context, at, tenant, clock, log } = world;
  const t0 = clock.now();
  const expiresAt = new Date(t0 + 3_600_000).toISOString();
  const { keyId } = await world.issue({ ownerId: 'own_1', scopes: ['a'], name: 'First', expiresAt });
  const issuedAt = log.events.at(-1)!.position;
  await clock.advance(60_000);
  await updateKey(deps, at(keyId), everything, { keyId, scopes: ['a', 'b'], name: 'Second' });
  const scopedAt = log.events.at(-1)!.position;
  await clock.advance(60_000);
  const owner = context(ownerStream(tenant, 'own_1'));
  await revokeOwnerKeys(deps, owner, { ownerId: 'own_1', reason: 'phished' });
  const revokedAt = log.events.at(-1)!.position;
  await clock.advance(60_000);
  await suspendTenant(deps, context(tenantStream(tenant)), { tenantId: tenant, reason: null });
  return { ...world, keyId, t0, issuedAt, scopedAt, revokedAt };
}

describe('a key as of', () => {
  test('a position is what the events through it made it', async () => {
    const { deps, tenant, keyId, issuedAt, scopedAt } = await life();
    const first = await keyAsOf(deps, tenant, keyId, { position: issuedAt });
    assert.deepEqual([first?.key.scopes, first?.key.name, first?.key.version], [['a'], 'First', 1]);
    const second = await keyAsOf(deps, tenant, keyId, { position: scopedAt });
    assert.deepEqual([second?.key.scopes, second?.key.name], [['a', 'b'], 'Second']);
    assert.equal(second?.position, scopedAt);
  });

  test('a time is what the events of then made it, each stream by its own', async () => {
    const { deps, tenant, keyId, t0 } = await life();
    const scopes = async (ms: number) =>
      (await keyAsOf(deps, tenant, keyId, { timeMs: t0 + ms }))?.key.scopes;
    assert.deepEqual(await scopes(0), ['a']);
    assert.deepEqual(await scopes(59_999), ['a']);
    assert.deepEqual(await scopes(60_000), ['a', 'b']);
    assert.equal(await scopes(-1), undefined);
  });

  test('another tenant’s key was never there', async () => {
    const { deps, keyId, t0 } = await life();
    assert.equal(await keyAsOf(deps, 'tnt_other', keyId, { timeMs: t0 }), null);
  });
});

describe('what a verify would have answered', () => {
  test('at each time of its life, and after its expiry', async () => {
    const { deps, tenant, keyId, t0 } = await life();
    const code = async (ms: number) =>
      (await explainAsOf(deps, tenant, keyId, { timeMs: t0 + ms }, { scopes: 'b' }))?.code;
    assert.equal(await code(-1), undefined);
    assert.equal(await code(0), 'INSUFFICIENT_PERMISSIONS');
    assert.equal(await code(60_000), 'VALID');
    assert.equal(await code(120_000), 'REVOKED');
    assert.equal(await code(180_000), 'TENANT_SUSPENDED');
  });

  test('at a position the rules of time are judged at its last event', async () => {
    const { deps, tenant, keyId, revokedAt, t0 } = await life();
    const verdict = await explainAsOf(deps, tenant, keyId, { position: revokedAt }, {});
    assert.deepEqual([verdict?.code, verdict?.atMs], ['REVOKED', t0 + 120_000]);
    assert.match(
      verdict!.checks.find((c) => c.code === 'REVOKED')!.detail,
      /version 1 of the owner, after version 0/,
    );
  });
});

describe('the history of a key', () => {
  test('tells each change with its fields before and after, the owner’s revoke-all too', async () => {
    const { deps, tenant, keyId } = await life();
    const page = await keyHistory(deps, tenant, keyId, { after: null, limit: 100 });
    assert.deepEqual(
      page?.entries.map((entry) => entry.type),
      ['key.issued', 'key.renamed', 'key.scopes-changed', 'owner.keys-revoked'],
    );
    assert.deepEqual(page?.entries[1]?.changes, [{ field: 'name', before: 'First', after: 'Second' }]);
    assert.deepEqual(page?.entries[2]?.changes, [{ field: 'scopes', before: ['a'], after: ['a', 'b'] }]);
    const last = page!.entries[3]!;
    assert.deepEqual([last.reason, last.actor], ['phished', 'key_caller000000']);
    const status = last.changes.find((change) => change.field === 'status');
    assert.deepEqual(status, { field: 'status', before: 'active', after: 'revoked' });
  });

  test('pages put together are the whole', async () => {
    const { deps, tenant, keyId } = await life();
    const whole = await keyHistory(deps, tenant, keyId, { after: null, limit: 100 });
    const entries = [];
    let after = null;
    do {
      const page: Awaited<ReturnType<typeof keyHistory>> = await keyHistory(deps, tenant, keyId, {
        after,
        limit: 1,
      });
      entries.push(...page!.entries);
      after = page!.next;
    } while (after !== null);
    assert.deepEqual(entries, whole?.entries);
  });

  test('leases are bookkeeping and are left out; another tenant’s history is none', async () => {
    const { deps, issue, leases, tenant } = await keysWorld();
    const { keyId } = await issue({ credits: { remaining: 10, refill: null } });
    await leases.lease(tenant, keyId, 1);
    const page = await keyHistory(deps, tenant, keyId, { after: null, limit: 10 });
    assert.deepEqual(
      page?.entries.map((entry) => entry.type),
      ['key.issued'],
    );
    assert.equal(await keyHistory(deps, 'tnt_other', keyId, { after: null, limit: 10 }), null);
  });
});
