import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Epoch, EventId, Position } from '../schemas/envelope.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import { ConfirmedStamps } from './confirmed-stamps.ts';
import type { Stamp } from './projection.ts';

const stamp = (position: number, eventId: string | null): Stamp => ({
  epoch: 'e' as Epoch,
  revision: 1,
  position: (position === 0 ? '' : String(position).padStart(20, '0')) as Position,
  eventId: eventId as EventId | null,
});

function world() {
  const log = new Map<string, string>([[stamp(1, null).position, 'one']]);
  const seen: Stamp[] = [];
  const clock = fakeClock();
  const state = { asked: 0, hangs: false, polled: null as Stamp | null };
  const confirmed = new ConfirmedStamps({
    log: {
      async eventIdAt(position) {
        state.asked++;
        if (state.hangs) await new Promise(() => {});
        return (log.get(position) ?? null) as EventId | null;
      },
    },
    clock,
    saw: (one) => seen.push(one),
    polled: () => state.polled,
  });
  return { log, seen, confirmed, clock, state, asked: () => state.asked };
}

test('the log is asked once about a stamp, and again after the history was replaced', async () => {
  const { confirmed, asked, seen } = world();
  for (let i = 0; i < 3; i++) assert.equal(await confirmed.confirm(stamp(1, 'one')), true);
  assert.equal(asked(), 1);
  assert.deepEqual(seen, [stamp(1, 'one')]);
  confirmed.drop();
  await confirmed.confirm(stamp(1, 'one'));
  assert.equal(asked(), 2);
});

test('a stamp whose event the log does not hold is not confirmed, and nothing is learned from it', async () => {
  const { confirmed, log, seen } = world();
  assert.equal(await confirmed.confirm(stamp(1, 'another')), false);
  assert.equal(await confirmed.confirm(stamp(2, 'two')), false, 'past the end');
  log.set(stamp(2, null).position, 'new two');
  assert.equal(await confirmed.confirm(stamp(2, 'two')), false, 'the position was used again');
  assert.deepEqual(seen, []);
  assert.equal(await confirmed.confirm(stamp(0, null)), true, 'before the first event');
});

test('what the log said before its history was replaced is not believed afterwards', async () => {
  const { confirmed } = world();
  const asking = confirmed.confirm(stamp(1, 'one'));
  confirmed.drop();
  assert.equal(await asking, false);
});

test('who has the same stamp at the same time shares one question', async () => {
  const { confirmed, asked } = world();
  const answers = await Promise.all(Array.from({ length: 50 }, () => confirmed.confirm(stamp(1, 'one'))));
  assert.ok(answers.every((answer) => answer));
  assert.equal(asked(), 1);
  await confirmed.confirm(stamp(1, 'another'));
  assert.equal(asked(), 2);
});

test('the stamp of the latest poll needs no question, another event at its place does', async () => {
  const { confirmed, asked, state } = world();
  state.polled = stamp(1, 'one');
  assert.equal(await confirmed.confirm(stamp(1, 'one')), true);
  assert.equal(asked(), 0);
  assert.equal(await confirmed.confirm(stamp(1, 'another')), false);
  assert.equal(asked(), 1);
});

test('a question that hangs is given up on, and the next one is asked anew', async () => {
  const { confirmed, clock, state } = world();
  state.hangs = true;
  const given = assert.rejects(confirmed.confirm(stamp(1, 'one')), /no answer in 1000 ms/);
  await clock.advance(1_001);
  await given;
  state.hangs = false;
  assert.equal(await confirmed.confirm(stamp(1, 'one')), true);
});
