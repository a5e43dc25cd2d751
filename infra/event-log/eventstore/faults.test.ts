import assert from 'node:assert/strict';
import { test } from 'node:test';
import { historyMismatch } from '../../../projections/history-check.ts';
import { type Recorded, START } from '../../../schemas/envelope.ts';
import { Secret } from '../../../schemas/secret.ts';
import { freshStream, newEvent, newEvents } from '../../../test/contracts/event-log-fixtures.ts';
import { openEventStoreLogAt, openEventStoreTestLog } from '../../../test/support/eventstore-log.ts';
import { until } from '../../../test/support/platform-process.ts';
import { connectEventStore } from './client.ts';
import { allPositionOf, positionOf } from './positions.ts';

test('an append whose answer is lost, sent again, answers the original, with its position', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  for (const expected of [0, 'any'] as const) {
    const stream = freshStream();
    const events = newEvents(3);
    standIn.faults.losesAppends = 1;
    await assert.rejects(log.append(stream, expected, events), { name: 'EventStoreUnavailable' });
    const answer = await log.append(stream, expected, events);
    const read = await log.readStream(stream);
    assert.equal(read.length, 3);
    assert.deepEqual(answer, { ok: true, version: 3, position: read.at(-1)!.position });
  }
});

test('a server that hangs fails appends and reads by their deadline, and all goes on when it is back', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const stream = freshStream();
  await log.append(stream, 0, newEvents(1));
  standIn.faults.hang = true;
  const event = newEvent();
  const answers = await Promise.allSettled([
    log.append(stream, 1, [event]),
    log.readStream(stream),
    log.readAll(START, 10),
    log.head(),
    log.eventIdAt(positionOf(1n, 1n)),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(5).fill('rejected'),
  );
  assert.equal(log.waitingAppends(), 0);
  standIn.faults.hang = false;
  const answer = await log.append(stream, 1, [event]);
  assert.ok(answer.ok && answer.version === 2);
});

test('a read that the server ends early is not taken for a whole one', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const stream = freshStream();
  const events = newEvents(40);
  await log.append(stream, 0, events);
  standIn.faults.endsReads = 3;
  assert.deepEqual(
    (await log.readStream(stream)).map(({ id }) => id),
    events.map(({ id }) => id),
  );
  standIn.faults.endsReads = 3;
  const slice = await log.readAll(START, 100);
  assert.deepEqual([slice.events.length, slice.live], [40, true]);
});

test('a subscriber loses nothing and sees nothing twice through drops, ends, refusals and restarts', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const stop = new AbortController();
  const seen: Recorded[] = [];
  const following = (async () => {
    for await (const slice of log.subscribe(START, { batchEvents: 7, signal: stop.signal })) {
      seen.push(...slice.events);
    }
  })();
  const appended: string[] = [];
  const add = async () => {
    const events = newEvents(3);
    await log.append(freshStream(), 'any', events);
    appended.push(...events.map(({ id }) => id));
  };
  const caughtUp = () => until('it has seen all', () => seen.length === appended.length);
  await add();
  await caughtUp();
  standIn.endSubscriptions();
  await add();
  await caughtUp();
  await standIn.restart(300);
  await until('the server is back', async () =>
    log.head().then(
      () => true,
      () => false,
    ),
  );
  await add();
  await caughtUp();
  standIn.faults.refuse = true;
  await until('it is refused', async () =>
    log.head().then(
      () => false,
      () => true,
    ),
  );
  standIn.faults.refuse = false;
  await add();
  standIn.log.writeSystemEvents(500);
  await add();
  await caughtUp();
  stop.abort();
  await following;
  assert.deepEqual(
    seen.map(({ id }) => id),
    appended,
  );
});

test('system events are nobody’s: the head is the last event of the house, however many lie behind it', async (t) => {
  const { log, standIn, url } = await openEventStoreTestLog(t);
  standIn.log.writeSystemEvents(200);
  assert.equal((await log.head()).position, START);
  const answer = await log.append(freshStream(), 0, newEvents(2));
  assert.ok(answer.ok);
  standIn.log.writeSystemEvents(300);
  for (const one of [log, await openEventStoreLogAt(t, url)]) {
    assert.equal((await one.head()).position, answer.position);
    const { events, live } = await one.readAll(START, 10);
    assert.deepEqual([events.length, live], [2, true]);
    assert.deepEqual(await one.readAll(answer.position, 10), {
      events: [],
      through: answer.position,
      live: true,
    });
  }
  await log.append(freshStream(), 0, newEvents(1));
  assert.equal((await log.readAll(answer.position, 10)).events.length, 1);
});

test('a failover that lost the tail is noticed, where the lost positions are handed out again too', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  await log.append(freshStream(), 0, newEvents(2));
  const lost = await log.append(freshStream(), 0, [newEvent()]);
  assert.ok(lost.ok);
  const { epoch } = await log.head();
  const eventId = (await log.readAll(START, 10)).events.at(-1)!.id;
  const bookmark = { epoch, position: lost.position, eventId };
  assert.equal(await historyMismatch(log, bookmark), null);
  standIn.log.truncateTail(1);
  assert.match((await historyMismatch(log, bookmark))!, /the log ends at/);
  const again = await log.append(freshStream(), 0, [newEvent()]);
  assert.deepEqual(again.ok && again.position, lost.position);
  assert.match((await historyMismatch(log, bookmark))!, /we applied event/);
});

test('a node that is not the leader answers no read and takes no append', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  standIn.faults.notLeader = true;
  await assert.rejects(log.head(), { name: 'EventStoreUnavailable' });
});

test('an epoch is begun once however many open the log, and another when it is minted', async (t) => {
  const { log, url } = await openEventStoreTestLog(t);
  const others = await Promise.all([1, 2, 3].map(() => openEventStoreLogAt(t, url)));
  const { epoch } = await log.head();
  for (const one of others) assert.equal((await one.head()).epoch, epoch);
  const minted = await others[0]!.mintEpoch();
  assert.notEqual(minted, epoch);
  assert.equal((await log.head()).epoch, minted);
});

test('a connection string that is none is refused without being told', () => {
  assert.throws(
    () => connectEventStore(new Secret('esdb://admin:hunter2@')),
    (error: Error) => !/hunter2/.test(error.message) && /EVENT_LOG_URL/.test(error.message),
  );
});

test('positions sort as they lie, and those of another engine are none', () => {
  assert.ok(positionOf(9n, 9n) < positionOf(10n, 10n));
  assert.deepEqual(allPositionOf(positionOf(5n, 4n)), { commit: 5n, prepare: 4n });
  assert.equal(allPositionOf('00000000000000000001' as never), null);
});
