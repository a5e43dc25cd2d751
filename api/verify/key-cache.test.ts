import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import type { KeyLookup, VerifyRows } from '../../projections/keys/verify-row.ts';
import type { Epoch, EventId, Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { KeyCache } from './key-cache.ts';
import type { SecondLevel } from './second-level.ts';

const TENANT = `tnt_${'a'.repeat(32)}` as TenantId;

function world(key: KeyState | null = { ...noKey, version: 1, keyId: 'key_000000000001', tenant: TENANT }) {
  const clock = fakeClock();
  const state = {
    key,
    position: 10,
    halted: null as string | null,
    batches: [] as number[],
    gates: [] as (() => void)[],
    gated: false,
    /** What happens to the stamp of each snapshot, in order. */
    told: [] as string[],
    confirm: async () => true,
  };
  const puts: string[] = [];
  const cache = new KeyCache({
    clock,
    saw: () => void state.told.push('saw'),
    confirm: () => {
      state.told.push('confirm');
      return state.confirm();
    },
    shared: {
      find: async () => null,
      put: (entries) => puts.push(...entries.map((one) => one.name)),
    } satisfies Pick<SecondLevel, 'find' | 'put'> as unknown as SecondLevel,
    maxEntries: 4,
    maxNegativeEntries: 2,
    async load(lookups: readonly KeyLookup[]): Promise<VerifyRows> {
      state.batches.push(lookups.length);
      const { position, halted, key: found } = state;
      if (state.gated) await new Promise<void>((open) => state.gates.push(open));
      const row = {
        key: found,
        owner: noOwner,
        tenant: null,
        parked: { key: false, owner: false, tenant: false },
      };
      const stamp = {
        epoch: 'e' as Epoch,
        revision: 1,
        position: String(position).padStart(20, '0') as Position,
        eventId: 'i' as EventId,
      };
      return { stamp, halted, rows: lookups.map(() => row) };
    },
  });
  return { cache, state, clock, puts };
}

describe('the cache of rows', () => {
  it('reads what is asked for together in one statement, and each key once', async () => {
    const { cache, state } = world();
    const ids = Array.from({ length: 250 }, (_, i) => `key_${i % 125}`);
    await Promise.all(ids.map((keyId) => cache.load(keyId, { keyId })));
    assert.deepEqual(state.batches, [100, 25]);
  });

  it('keeps at most four statements under way', async () => {
    const { cache, state } = world();
    state.gated = true;
    const loads = Array.from({ length: 1_000 }, (_, i) => cache.load(`k${i}`, { keyId: `k${i}` }));
    await settled();
    assert.equal(state.batches.length, 4);
    state.gated = false;
    for (const open of state.gates) open();
    await Promise.all(loads);
    assert.equal(state.batches.length, 10);
  });

  it('bounds keys and ids that no key has, each on its own', async () => {
    const found = world();
    const none = world(null);
    for (let i = 0; i < 20; i++) {
      await found.cache.load(`k${i}`, { keyId: `k${i}` });
      await none.cache.load(`k${i}`, { keyId: `k${i}` });
    }
    assert.deepEqual([found.cache.size, none.cache.size], [4, 2]);
  });

  it('does not keep a foreign key’s miss, nor a revoked foreign key', async () => {
    const lookup = { tenant: TENANT, digests: ['d'] };
    const { cache, state } = world(null);
    await cache.load('f', lookup);
    assert.equal(cache.size, 0);
    state.key = { ...noKey, version: 1, keyId: 'key_000000000001' };
    await cache.load('f', lookup);
    assert.equal(cache.size, 1);
    state.key = { ...state.key, revokedAtMs: 1 };
    await cache.load('f', lookup);
    assert.equal(cache.size, 0);
  });

  it('keeps neither name nor metadata', async () => {
    const { cache } = world({ ...noKey, version: 1, name: 'Ada', metadata: { a: 1 } });
    const { key } = await cache.load('k', { keyId: 'k' });
    assert.deepEqual([key?.name, key?.metadata], [null, null]);
  });

  it('never replaces a newer row by an older one', async () => {
    const { cache, state } = world();
    await cache.load('k', { keyId: 'k' });
    state.position = 9;
    await cache.load('k', { keyId: 'k' });
    assert.equal(cache.get('k')!.stamp.position, '00000000000000000010');
  });

  it('does not keep what was on its way when the history was replaced', async () => {
    const { cache, state } = world();
    state.gated = true;
    const load = cache.load('k', { keyId: 'k' });
    await settled();
    cache.drop();
    for (const open of state.gates) open();
    await load;
    assert.equal(cache.size, 0);
  });

  it('gives out, keeps and shares no row before the log has confirmed its stamp, each batch once', async () => {
    const { cache, state, puts } = world();
    let confirm: (held: boolean) => void = () => {};
    state.confirm = () =>
      new Promise((resolve) => {
        confirm = resolve;
      });
    let given = 0;
    const loads = ['a', 'b'].map((keyId) => cache.load(keyId, { keyId }).then(() => given++));
    await settled();
    assert.deepEqual([given, cache.size, puts], [0, 0, []]);
    assert.deepEqual(state.told, ['saw', 'confirm'], 'seen first, so that a poll meanwhile compares it too');
    confirm(true);
    await Promise.all(loads);
    assert.deepEqual([given, cache.size, puts], [2, 2, ['a', 'b']]);
    cache.get('a');
    assert.equal(state.told.length, 2, 'what is kept is given out without a question');
  });

  it('rejects rows of a stamp that the log does not hold, or that it cannot be asked about', async () => {
    const { cache, state, puts } = world();
    state.confirm = async () => false;
    await assert.rejects(cache.load('k', { keyId: 'k' }), /does not hold/);
    state.confirm = () => Promise.reject(new Error('no route to the log'));
    await assert.rejects(cache.load('k', { keyId: 'k' }), /no route/);
    assert.deepEqual([cache.size, puts], [0, []]);
    state.confirm = async () => true;
    await cache.load('k', { keyId: 'k' });
    assert.equal(cache.size, 1, 'the next load asks again');
  });

  it('does not keep what was being confirmed when the history was replaced', async () => {
    const { cache, state, puts } = world();
    let confirm: (held: boolean) => void = () => {};
    state.confirm = () =>
      new Promise((resolve) => {
        confirm = resolve;
      });
    const load = cache.load('k', { keyId: 'k' });
    await settled();
    cache.drop();
    confirm(true);
    await load;
    assert.deepEqual([cache.size, puts], [0, []]);
  });

  it('passes on that the projection halted, and gives up on a statement that hangs', async () => {
    const { cache, state, clock } = world();
    state.halted = 'the log was replaced';
    await assert.rejects(cache.load('k', { keyId: 'k' }), (error: unknown) => {
      return error instanceof PlinthError && error.rejection.code === 'log_epoch_changed';
    });
    state.gated = true;
    const load = assert.rejects(cache.load('k', { keyId: 'k' }), /no answer in 1000 ms/);
    await clock.advance(1_001);
    await load;
  });
});
