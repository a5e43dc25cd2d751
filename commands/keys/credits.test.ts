import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { replacing } from '../../test/simulation/replacing.ts';
import { admin, DAY_MS, facts, iso, issued, keySpec, SPEC_START_MS } from '../../test/support/key-spec.ts';
import { everything, keysWorld } from '../../test/support/keys-world.ts';
import { dueRefill, nextRefillAtMs } from './due-refill.ts';
import { decideLeaseCredits, leaseCredits } from './lease-credits.ts';
import { decideReturnCredits } from './return-credits.ts';
import { revokeOwnerKeys } from './revoke-owner-keys.ts';
import { decideSetCredits, setCredits } from './set-credits.ts';

const leaseId = '3f2504e0-4f89-51d3-9a0c-0305e82c3301';
const lease = { ...facts, leaseId, writer: 'w', units: 1_000_000 };
const refill = { amount: 500, everySeconds: 3600 };
const leased = (amount: number) => ({
  type: 'key.credits-leased' as const,
  data: { leaseId, writer: 'w', amount },
});

describe('a lease of credits, decided', () => {
  test('takes one hundredth of the balance at most, one at least, and never more than is asked or there', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 1_000_000 }), (remaining, units) => {
        const { state } = keySpec.given(issued({ credits: { remaining, refill: null } }));
        const decision = decideLeaseCredits({ ...lease, units }, state);
        assert.ok('accept' in decision);
        const [event] = decision.accept;
        if (remaining === 0) return assert.equal(event, undefined);
        assert.ok(event?.type === 'key.credits-leased');
        const { amount } = event.data;
        assert.ok(amount >= 1 && amount <= units && amount <= remaining);
        assert.ok(amount <= Math.max(1, remaining / 100));
      }),
    );
  });
  test('applies a refill that is due first, in the same append', () => {
    keySpec
      .given(issued({ credits: { remaining: 0, refill } }))
      .when(decideLeaseCredits, { ...lease, nowMs: SPEC_START_MS + 2.5 * 3_600_000 })
      .thenEvents(
        { type: 'key.credits-refilled', data: { remaining: 500, dueAt: iso(SPEC_START_MS + 2 * 3_600_000) } },
        leased(5),
      );
  });
  test('of an exhausted key is nothing, and of a revoked one refused', () => {
    const none = issued({ credits: { remaining: 0, refill: null } });
    keySpec.given(none).when(decideLeaseCredits, lease).thenEvents();
    const revoked = {
      type: 'key.revoked' as const,
      data: { ownerId: null, reason: null, cause: 'leak' as const },
    };
    keySpec.given(none, revoked).when(decideLeaseCredits, lease).thenRefused('conflict');
  });
});

describe('giving credits back, decided', () => {
  const given = keySpec.given(issued({ credits: { remaining: 1000, refill: null } }), leased(10));
  const back = { ...facts, leaseId, amount: 4, lease: { version: 2, amount: 10, returned: false } };
  const returned = (amount: number) => ({ type: 'key.credits-returned' as const, data: { leaseId, amount } });
  test('adds what was not spent, and never more than was leased', () => {
    given.when(decideReturnCredits, back).thenEvents(returned(4));
    given.when(decideReturnCredits, { ...back, amount: 99 }).thenEvents(returned(10));
  });
  test('is void when the balance was set or refilled after the lease', () => {
    const set = { type: 'key.credits-set' as const, data: { credits: { remaining: 7, refill: null } } };
    keySpec
      .given(issued({ credits: { remaining: 1000, refill: null } }), leased(10), set)
      .when(decideReturnCredits, back)
      .thenEvents();
  });
  test('is nothing for a lease that nobody made or that was given back', () => {
    given.when(decideReturnCredits, { ...back, lease: null }).thenEvents();
    given.when(decideReturnCredits, { ...back, lease: { ...back.lease, returned: true } }).thenEvents();
  });
});

describe('a refill', () => {
  const { credits } = keySpec.given(issued({ credits: { remaining: 3, refill } })).state;
  test('falls due on the whole period, and only the latest counts', () => {
    assert.equal(dueRefill(credits, SPEC_START_MS + 3_600_000 - 1), null);
    assert.deepEqual(dueRefill(credits, SPEC_START_MS + 3_600_000), {
      remaining: 500,
      dueAtMs: SPEC_START_MS + 3_600_000,
    });
    assert.equal(dueRefill(credits, SPEC_START_MS + DAY_MS)?.dueAtMs, SPEC_START_MS + DAY_MS);
    assert.equal(nextRefillAtMs(credits), SPEC_START_MS + 3_600_000);
  });
  test('is never due without a rule for it', () => {
    assert.equal(dueRefill(null, Number.MAX_SAFE_INTEGER), null);
    assert.equal(nextRefillAtMs({ ...credits!, refill: null }), null);
  });
});

describe('setting credits', () => {
  const command = { ...facts, grantor: admin };
  test('is an event also when the number is the same: it voids what was leased before', () => {
    const credits = { remaining: 5, refill: null };
    keySpec
      .given(issued({ credits }))
      .when(decideSetCredits, { ...command, credits })
      .thenEvents({ type: 'key.credits-set', data: { credits } });
    keySpec
      .given(issued())
      .when(decideSetCredits, { ...command, credits: null })
      .thenEvents();
  });
  test('is refused for a management key', () => {
    keySpec
      .given(issued({ use: 'management' }))
      .when(decideSetCredits, { ...command, credits: { remaining: 5, refill: null } })
      .thenRefused('invalid_request');
  });
});

describe('leases, through the log', () => {
  test('what is leased, spent and given back adds up, whatever comes between', async () => {
    const { deps, issue, leases, state, tenant, at } = await keysWorld();
    const { keyId } = await issue({ credits: { remaining: 1000, refill: null } });
    const one = await leases.lease(tenant, keyId, 10);
    const two = await leases.lease(tenant, keyId, 10);
    assert.ok(one.kind === 'leased' && two.kind === 'leased' && one.leaseId !== two.leaseId);
    assert.equal((await state(keyId)).credits?.remaining, 1000 - one.amount - two.amount);
    await leases.giveBack(tenant, keyId, one.leaseId, one.amount);
    await leases.giveBack(tenant, keyId, one.leaseId, one.amount);
    assert.equal((await state(keyId)).credits?.remaining, 1000 - two.amount);
    await setCredits(deps, at(keyId), everything, { keyId, credits: { remaining: 50, refill: null } });
    await leases.giveBack(tenant, keyId, two.leaseId, two.amount);
    assert.equal((await state(keyId)).credits?.remaining, 50);
  });
  test('the same lease asked for twice says that it was there before', async () => {
    const { deps, issue, at } = await keysWorld();
    const { keyId } = await issue({ credits: { remaining: 1000, refill: null } });
    const input = { keyId, leaseId, writer: 'w', units: 5 };
    const first = await leaseCredits(deps, at(keyId, 'l'), input);
    const again = await leaseCredits(deps, at(keyId, 'l'), input);
    assert.ok(first.kind === 'leased' && again.kind === 'leased');
    assert.deepEqual([first.first, again.first, again.amount], [true, false, first.amount]);
  });
  test('a refill that falls due while "exhausted" is on its way is told as due, not the one after it', async () => {
    const { issue, deps, at, clock } = await keysWorld();
    const { keyId } = await issue({ credits: { remaining: 0, refill }, ownerId: 'own_1' });
    const dueMs = clock.now() + 3_600_000;
    const slow = replacing(deps.log, {
      async readStream(...args) {
        const events = await deps.log.readStream(...args);
        // The owner is read when the time of the decision is settled.
        if (args[0].startsWith('owner-')) await clock.advance(3_600_000);
        return events;
      },
    });
    const input = { keyId, leaseId, writer: 'w', units: 5 };
    const none = await leaseCredits({ ...deps, log: slow }, at(keyId, 'l'), input);
    assert.ok(none.kind === 'exhausted');
    assert.equal(none.refillAtMs, dueMs);
  });
  test('an exhausted key tells when it is filled again; a revoked one throws', async () => {
    const { issue, leases, tenant, clock, owner, deps, context } = await keysWorld();
    const { keyId } = await issue({ credits: { remaining: 0, refill }, ownerId: 'own_1' });
    const none = await leases.lease(tenant, keyId, 1);
    assert.deepEqual(
      [none.kind, none.kind === 'exhausted' && none.refillAtMs],
      ['exhausted', clock.now() + 3_600_000],
    );
    await revokeOwnerKeys(deps, context('o'), { ownerId: 'own_1', reason: null });
    assert.equal((await owner('own_1')).revokedAllVersion, 1);
    await assert.rejects(leases.lease(tenant, keyId, 1), /revoked/);
  });
});
