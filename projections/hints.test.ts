import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangesSource } from './changes.ts';
import { type Hints, hurriedBy } from './hints.ts';

function world() {
  const hinted = { own: () => {}, other: (_projection: string) => {} };
  const aborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const changes: ChangesSource = {
    poll: () => Promise.reject(new Error('the poll')),
    listen(hint, signal) {
      hinted.own = hint;
      return aborted(signal);
    },
  };
  const hints: Hints = {
    moved: () => {},
    listen(hint, signal) {
      hinted.other = hint;
      return aborted(signal);
    },
  };
  return { hinted, changes, hints };
}

test('changes are hurried by their own notifications and by hints about their projection, no other', async () => {
  const { hinted, changes, hints } = world();
  const hurried = hurriedBy(hints, 'keys', changes);
  const stop = new AbortController();
  let heard = 0;
  const listening = hurried.listen(() => {
    heard++;
  }, stop.signal);
  hinted.own();
  hinted.other('keys');
  hinted.other('usage');
  assert.equal(heard, 2);
  await assert.rejects(hurried.poll('' as never), /the poll/);
  stop.abort();
  await listening;
});
