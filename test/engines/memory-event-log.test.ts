import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../infra/system-clock.ts';
import { START } from '../../schemas/envelope.ts';
import { eventLogContract } from '../contracts/event-log.ts';
import { freshStream, newEvent, newEvents } from '../contracts/event-log-fixtures.ts';
import { memoryEventLog } from './memory-event-log.ts';

eventLogContract('the log in memory', {
  idsAreUniqueIn: 'log',
  async open(t) {
    const log = memoryEventLog({ clock: systemClock });
    t.after(() => log.close());
    return { log };
  },
});

test('a failover that lost the tail gives its positions to other events', async () => {
  const log = memoryEventLog({ clock: systemClock });
  const stream = freshStream();
  await log.append(stream, 0, newEvents(5));
  const lost = await log.head();
  log.truncateTail(2);
  await log.append(stream, 3, newEvents(2));
  const head = await log.head();
  assert.equal(head.position, lost.position);
  assert.equal(head.epoch, lost.epoch);
  assert.notEqual(log.newEpoch(), lost.epoch);
});

test('a lost reply leaves the append in the log, and the resend answers the original', async () => {
  const log = memoryEventLog({ clock: systemClock });
  const stream = freshStream();
  const events = [newEvent()];
  log.loseReplies(1);
  await assert.rejects(log.append(stream, 0, events), /reply was lost/);
  assert.deepEqual(await log.append(stream, 0, events), {
    ok: true,
    version: 1,
    position: (await log.head()).position,
  });
});

test('a call that fails does nothing', async () => {
  const log = memoryEventLog({ clock: systemClock });
  log.failCalls(1);
  await assert.rejects(log.append(freshStream(), 0, [newEvent()]), /could not be reached/);
  assert.equal((await log.head()).position, START);
});

test('the turn is awaited before each operation and before each answer', async () => {
  const turns: string[] = [];
  const log = memoryEventLog({
    clock: systemClock,
    turn: async (label) => {
      turns.push(`${label} ${log.events.length}`);
    },
  });
  await log.append(freshStream(), 0, [newEvent()]);
  await log.head();
  assert.deepEqual(turns, ['log.append 0', 'log.append.answer 1', 'log.head 1', 'log.head.answer 1']);
});
