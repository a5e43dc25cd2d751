import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamId } from '../../schemas/envelope.ts';
import { settled } from '../../test/support/fake-clock.ts';
import { MAX_REFRESHES_AT_ONCE, refreshTold } from './refresh-told.ts';

const streamAt = (n: number) => `environment-${n}` as StreamId;

test('what was told is read few at once, each once while it waits, and again when it is told again', async () => {
  const read: StreamId[] = [];
  const open: (() => void)[] = [];
  let most = 0;
  let now = 0;
  const told = refreshTold(async (stream) => {
    read.push(stream);
    most = Math.max(most, ++now);
    await new Promise<void>((resolve) => open.push(resolve));
    now--;
  });
  const drain = async () => {
    for (await settled(); open.length > 0; await settled()) open.shift()!();
  };
  const all = Array.from({ length: 50 }, (_, n) => streamAt(n));
  told(all);
  told(all);
  await drain();
  // The first ones were under way when they were told again: what they read may be older.
  assert.equal(read.length, all.length + MAX_REFRESHES_AT_ONCE);
  assert.deepEqual(new Set(read), new Set(all));
  assert.equal(most, MAX_REFRESHES_AT_ONCE);
  told([streamAt(1)]);
  await drain();
  assert.equal(read.length, all.length + MAX_REFRESHES_AT_ONCE + 1);
  assert.equal(now, 0);
});
