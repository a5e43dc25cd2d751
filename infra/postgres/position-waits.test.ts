import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Position } from '../../schemas/envelope.ts';
import { fakeClock } from '../../test/support/fake-clock.ts';
import type { Pool } from './pool.ts';
import { positionWaits } from './position-waits.ts';

const at = (n: number) => String(n).padStart(20, '0') as Position;
const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

function world() {
  const clock = fakeClock();
  const closing = new AbortController();
  const state = { position: at(1), halted: null as string | null, looks: 0 };
  const pool = {
    async query() {
      state.looks++;
      return [{ position: state.position, halted: state.halted }];
    },
  } as unknown as Pool;
  const waits = positionWaits(pool, clock, closing.signal);
  const wait = (n: number, waitMs = 1_000) => {
    const one = { over: false };
    void waits.reached('keys', at(n), waitMs).then(() => {
      one.over = true;
    });
    return one;
  };
  return { clock, closing, state, waits, wait };
}

test('all who wait are released by one look, as far as it reaches', async () => {
  const { state, waits, wait } = world();
  const waiting = Array.from({ length: 100 }, (_, i) => wait(2 + (i % 2)));
  await turns();
  assert.ok(state.looks <= 2, `${state.looks} looks for 100 who began to wait together`);
  const before = state.looks;
  state.position = at(2);
  waits.hint('tenants');
  await turns();
  assert.equal(state.looks, before, 'another projection has moved');
  waits.hint('keys');
  await turns();
  assert.equal(state.looks, before + 1);
  assert.deepEqual(new Set(waiting.filter((_, i) => i % 2 === 0).map((w) => w.over)), new Set([true]));
  assert.deepEqual(new Set(waiting.filter((_, i) => i % 2 === 1).map((w) => w.over)), new Set([false]));
});

test('without any notification it looks again, and the wait ends with its time', async () => {
  const { clock, state, wait } = world();
  const reached = wait(2);
  const never = wait(9, 200);
  await turns();
  state.position = at(2);
  await clock.advance(25);
  assert.equal(reached.over, true);
  assert.equal(never.over, false);
  await clock.advance(200);
  assert.equal(never.over, true);
});

test('a runner of this process releases them without a look', async () => {
  const { state, waits, wait } = world();
  const waiting = wait(2);
  await turns();
  const before = state.looks;
  waits.moved('keys', at(2));
  await turns();
  assert.equal(waiting.over, true);
  assert.equal(state.looks, before);
});

test('what was seen before a swap or a restore is forgotten', async () => {
  const { waits, wait } = world();
  waits.saw('keys', at(5));
  const there = wait(5);
  await turns();
  assert.equal(there.over, true);
  waits.saw('keys', at(1));
  const behind = wait(5);
  await turns();
  assert.equal(behind.over, false);
});

test('a projection that halts, and a reader that closes, release all', async () => {
  const { state, waits, wait, closing } = world();
  const first = wait(2);
  await turns();
  state.halted = 'the log was replaced';
  waits.hint('');
  await turns();
  assert.equal(first.over, true);
  state.halted = null;
  const second = wait(2);
  await turns();
  assert.equal(second.over, false);
  closing.abort();
  await turns();
  assert.equal(second.over, true);
});
