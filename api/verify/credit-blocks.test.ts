import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { CreditBlocks } from './credit-blocks.ts';
import type { CreditLeases, Leased } from './credit-leases.ts';

/** The key's stream as the decider sees it: the balance, and which leases it granted. */
function decider(balance: number) {
  let key: KeyState = {
    ...noKey,
    keyId: 'key_000000000001',
    tenant: 'tnt_a',
    version: 1,
    credits: { remaining: balance, refill: null, refilledAtMs: 0, sinceVersion: 1 },
  };
  let serial = 0;
  const state = { asked: 0, returned: 0, lostAnswers: 0, refillAtMs: null as number | null };
  const change = (credits: Partial<NonNullable<KeyState['credits']>>) => {
    key = { ...key, version: key.version + 1, credits: { ...key.credits!, ...credits } };
  };
  const leases: CreditLeases = {
    async lease(_tenant, _keyId, units): Promise<Leased> {
      state.asked++;
      await Promise.resolve();
      const { remaining } = key.credits!;
      if (remaining === 0) return { kind: 'exhausted', key, refillAtMs: state.refillAtMs };
      const amount = Math.min(units, Math.max(1, Math.floor(remaining / 100)));
      change({ remaining: remaining - amount });
      if (state.lostAnswers > 0) {
        state.lostAnswers--;
        throw new Error('the answer was lost');
      }
      return { kind: 'leased', leaseId: String(++serial), amount, key };
    },
    async giveBack(_tenant, _keyId, _leaseId, amount) {
      state.returned += amount;
      change({ remaining: key.credits!.remaining + amount });
    },
  };
  return {
    state,
    leases,
    key: () => key,
    set: (remaining: number) => change({ remaining, sinceVersion: key.version + 1 }),
  };
}

describe('credit blocks', () => {
  it('give back the leases of one block one after the other: on one stream they would only refuse each other', async () => {
    const d = decider(1_000);
    let inFlight = 0;
    let most = 0;
    const leases: CreditLeases = {
      ...d.leases,
      async giveBack(...lease) {
        most = Math.max(most, ++inFlight);
        await settled();
        inFlight--;
        return d.leases.giveBack(...lease);
      },
    };
    const blocks = new CreditBlocks({ leases, clock: fakeClock() });
    assert.ok((await blocks.peek(d.key(), 1)).ok);
    const spent = await blocks.spend(d.key(), 300);
    assert.ok(spent.ok);
    spent.undo();
    assert.equal(await blocks.close(), 0);
    assert.deepEqual([most, d.key().credits!.remaining], [1, 1_000]);
  });

  it('spend at once from the block that is held', async () => {
    const d = decider(1_000);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    const first = await blocks.spend(d.key(), 1);
    assert.ok(first.ok);
    assert.equal(first.remaining, 999);
    for (let i = 0; i < 9; i++) assert.ok(!(blocks.spend(d.key(), 1) instanceof Promise));
    assert.equal(d.state.asked, 1);
    assert.equal(blocks.remaining(d.key()), 990);
  });

  it('lease once for all who wait', async () => {
    const d = decider(10_000);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    const key = d.key();
    const spent = await Promise.all(Array.from({ length: 500 }, () => blocks.spend(key, 1)));
    assert.ok(spent.every((s) => s.ok));
    assert.ok(d.state.asked <= 6, `${d.state.asked} leases of at most 100`);
  });

  it('gather a cost that is more than one lease', async () => {
    const d = decider(200);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    assert.ok((await blocks.spend(d.key(), 50)).ok);
    assert.equal(blocks.remaining(d.key()), 150);
    assert.equal((await blocks.spend(d.key(), 151)).ok, false);
    assert.ok((await blocks.spend(d.key(), 150)).ok);
  });

  it('are never overspent by several verifiers, each unit spent exactly once', async () => {
    const d = decider(137);
    const verifiers = [1, 2, 3].map(() => new CreditBlocks({ leases: d.leases, clock: fakeClock() }));
    const stale = d.key();
    const spent = await Promise.all(
      Array.from({ length: 400 }, (_, i) => verifiers[i % 3]!.spend(i % 2 ? stale : d.key(), 1)),
    );
    assert.ok(spent.filter((s) => s.ok).length <= 137);
    for (const v of verifiers) await v.close();
    assert.equal(spent.filter((s) => s.ok).length + d.key().credits!.remaining, 137);
  });

  it('do not ask again for an exhausted key until it changes or its refill is due', async () => {
    const d = decider(1);
    const clock = fakeClock();
    d.state.refillAtMs = clock.now() + 60_000;
    const blocks = new CreditBlocks({ leases: d.leases, clock });
    assert.ok((await blocks.spend(d.key(), 1)).ok);
    const denied = await blocks.spend(d.key(), 1);
    assert.deepEqual(denied, { ok: false, remaining: 0, retryAtMs: d.state.refillAtMs });
    const asked = d.state.asked;
    for (let i = 0; i < 50; i++) assert.equal((await blocks.spend(d.key(), 1)).ok, false);
    assert.equal(d.state.asked, asked);
    d.set(2);
    assert.ok((await blocks.spend(d.key(), 1)).ok);
    assert.ok((await blocks.spend(d.key(), 1)).ok);
    assert.equal((await blocks.spend(d.key(), 1)).ok, false);
    const before = d.state.asked;
    await clock.advance(60_001);
    assert.equal((await blocks.spend(d.key(), 1)).ok, false);
    assert.equal(d.state.asked, before + 1, 'asked anew once the refill was due');
  });

  it('are void once the balance was set anew', async () => {
    const d = decider(1_000);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    await blocks.spend(d.key(), 1);
    d.set(0);
    assert.equal((await blocks.spend(d.key(), 1)).ok, false);
  });

  it('are lost, never minted, when the answer to a lease is lost', async () => {
    const d = decider(500);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    d.state.lostAnswers = 1;
    await assert.rejects(async () => blocks.spend(d.key(), 1), /Credits cannot be leased now/);
    let spent = 0;
    while ((await blocks.spend(d.key(), 1)).ok) spent++;
    assert.equal(spent, 495);
  });

  it('say that the facts are too old when the decider refuses, and nothing when no credits are needed', async () => {
    const d = decider(500);
    const refusing = { ...d.leases, lease: () => Promise.reject(new PlinthError('conflict', 'revoked')) };
    const blocks = new CreditBlocks({ leases: refusing, clock: fakeClock() });
    await assert.rejects(async () => blocks.spend(d.key(), 1), /verify_stale/);
    const free = {
      ...d.leases,
      lease: async (): Promise<Leased> => ({
        kind: 'exhausted',
        key: { ...d.key(), version: 9, credits: null },
        refillAtMs: null,
      }),
    };
    assert.ok((await new CreditBlocks({ leases: free, clock: fakeClock() }).spend(d.key(), 1)).ok);
  });

  it('go back when the process stops, and when others need their place', async () => {
    const d = decider(1_000);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock(), maxBlocks: 1 });
    await blocks.spend(d.key(), 1);
    assert.equal(await blocks.close(), 0);
    assert.equal(d.state.returned, 9);
    assert.equal(d.key().credits!.remaining, 999);
    await assert.rejects(async () => blocks.spend(d.key(), 1), /leases no more/);

    const crowded = new CreditBlocks({ leases: d.leases, clock: fakeClock(), maxBlocks: 1 });
    await crowded.spend(d.key(), 1);
    await crowded.spend({ ...d.key(), keyId: 'key_000000000002' }, 1);
    await settled();
    assert.equal(d.state.returned, 9 + 8);
  });

  it('do not survive a replaced history, not even a lease that was on its way', async () => {
    const d = decider(1_000);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    const spending = blocks.spend(d.key(), 1);
    blocks.drop();
    await spending;
    assert.equal(d.state.asked, 2);
  });

  it('tell whether a key could spend without spending', async () => {
    const d = decider(1);
    const blocks = new CreditBlocks({ leases: d.leases, clock: fakeClock() });
    assert.ok((await blocks.peek(d.key(), 1)).ok);
    assert.equal(d.state.asked, 0);
    assert.ok((await blocks.spend(d.key(), 1)).ok);
    assert.equal((await blocks.peek(d.key(), 1)).ok, false);
  });

  it('account for every unit, whatever is spent, undone, set, returned and lost', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('spend' as const),
          by: fc.nat(2),
          units: fc.integer({ min: 1, max: 30 }),
          undo: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const), by: fc.nat(2) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 600 }),
        fc.array(step, { maxLength: 60 }),
        async (balance, steps) => {
          const d = decider(balance);
          const make = () => new CreditBlocks({ leases: d.leases, clock: fakeClock(), maxBlocks: 8 });
          const verifiers = [make(), make(), make()];
          let spent = 0;
          for (const s of steps) {
            if (s.do === 'lose') d.state.lostAnswers = 1;
            else if (s.do === 'stop') {
              await verifiers[s.by]!.close();
              verifiers[s.by] = make();
            } else {
              const result = await Promise.resolve(verifiers[s.by]!.spend(d.key(), s.units)).catch(
                () => null,
              );
              if (result?.ok && s.undo) result.undo();
              else if (result?.ok) spent += s.units;
            }
            assert.ok(spent + d.key().credits!.remaining <= balance, 'a unit was minted');
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
