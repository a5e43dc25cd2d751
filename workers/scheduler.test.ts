import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { updateKey } from '../commands/keys/update-key.ts';
import { everything, keysWorld } from '../test/support/keys-world.ts';
import { type DueKey, expireDueKeys, runScheduler, type SchedulerRound } from './scheduler.ts';

const HOUR_MS = 3_600_000;

async function scheduledWorld() {
  const world = await keysWorld();
  const due: DueKey[] = [];
  const expiresAtMs = world.clock.now() + HOUR_MS;
  const expiresAt = new Date(expiresAtMs).toISOString();
  return {
    ...world,
    due,
    expiresAtMs,
    async issueExpiring() {
      const { keyId } = await world.issue({ expiresAt });
      due.push({ keyId, tenant: world.tenant, dueAtMs: expiresAtMs });
      return keyId;
    },
    keysDueToExpire: async (nowMs: number, limit: number) =>
      due.filter((k) => k.dueAtMs <= nowMs).slice(0, limit),
  };
}

describe('the scheduler', () => {
  test('writes an expiry when it has come, and not before', async () => {
    const { deps, issueExpiring, types, clock, keysDueToExpire } = await scheduledWorld();
    const keyId = await issueExpiring();
    const stop = new AbortController();
    const running = runScheduler(deps, { signal: stop.signal, keysDueToExpire });
    await clock.advance(HOUR_MS - 1);
    assert.deepEqual(types(keyId), ['key.issued']);
    await clock.advance(1_001);
    assert.deepEqual(types(keyId), ['key.issued', 'key.expired']);
    stop.abort();
    await running;
  });

  test('two schedulers, and a read model that lags, write it once', async () => {
    const { deps, issueExpiring, types, clock, keysDueToExpire } = await scheduledWorld();
    const keyId = await issueExpiring();
    await clock.advance(HOUR_MS);
    const both = await Promise.all([1, 2].map(() => expireDueKeys(deps, keysDueToExpire)));
    assert.equal(both[0]! + both[1]!, 1);
    assert.equal(await expireDueKeys(deps, keysDueToExpire), 0);
    assert.deepEqual(types(keyId), ['key.issued', 'key.expired']);
  });

  test('an expiry that moved is left alone, and comes at its new time', async () => {
    const { deps, issueExpiring, types, clock, keysDueToExpire, due, at, expiresAtMs } =
      await scheduledWorld();
    const keyId = await issueExpiring();
    const later = new Date(expiresAtMs + HOUR_MS).toISOString();
    await updateKey(deps, at(keyId), everything, { keyId, expiresAt: later });
    await clock.advance(HOUR_MS);
    assert.equal(await expireDueKeys(deps, keysDueToExpire), 0);
    due[0] = { ...due[0]!, dueAtMs: expiresAtMs + HOUR_MS };
    await clock.advance(HOUR_MS);
    assert.equal(await expireDueKeys(deps, keysDueToExpire), 1);
    assert.equal(types(keyId).at(-1), 'key.expired');
  });

  test('goes on when the read model or the log is away for a while', async () => {
    const { deps, issueExpiring, types, clock, keysDueToExpire, log } = await scheduledWorld();
    const keyId = await issueExpiring();
    await clock.advance(HOUR_MS);
    let away = 2;
    const rounds: SchedulerRound[] = [];
    const stop = new AbortController();
    const running = runScheduler(deps, {
      signal: stop.signal,
      ran: (round) => void rounds.push(round),
      async keysDueToExpire(nowMs, limit) {
        if (away-- > 0) throw new Error('no route to the read model');
        return keysDueToExpire(nowMs, limit);
      },
    });
    log.failCalls(1);
    await clock.advance(60_000);
    stop.abort();
    await running;
    assert.deepEqual(types(keyId), ['key.issued', 'key.expired']);
    assert.ok(rounds.filter((round) => round.problem !== null).length >= 2);
    assert.equal(rounds.at(-1)?.expired, 1);
  });

  test('tells that a round does not fail any more, also where nothing is due', async () => {
    const { deps, clock } = await scheduledWorld();
    let away = 2;
    const rounds: SchedulerRound[] = [];
    const stop = new AbortController();
    const running = runScheduler(deps, {
      signal: stop.signal,
      ran: (round) => void rounds.push(round),
      problemOf: () => 'it is away',
      async keysDueToExpire() {
        if (away-- > 0) throw new Error('no route to the read model');
        return [];
      },
    });
    await clock.advance(60_000);
    stop.abort();
    await running;
    const failed = { expired: 0, problem: 'it is away' };
    assert.deepEqual(rounds, [failed, failed, { expired: 0, problem: null }]);
  });
});
