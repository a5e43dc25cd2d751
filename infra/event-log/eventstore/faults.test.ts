import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { historyMismatch } from '../../../projections/history-check.ts';
import { type Recorded, type Slice, START } from '../../../schemas/envelope.ts';
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
  const one = freshStream();
  await log.append(stream, 0, newEvents(40));
  await log.append(one, 0, newEvents(1));
  const last = (await log.readAll(START, 100)).events.at(-1)!;
  const works: Record<string, () => Promise<unknown>> = {
    'a stream': () => log.readStream(stream),
    'the end of a stream': () => log.readStream(stream, { after: 30 }),
    'a part of a stream': () => log.readStream(stream, { after: 3, through: 30 }),
    'a stream of one': () => log.readStream(one),
    'no stream': () => log.readStream(freshStream()),
    all: () => log.readAll(START, 100),
    'the rest': () => log.readAll(last.position, 100),
    head: () => log.head(),
    'an id': () => log.eventIdAt(last.position),
    newest: () => log.newest(10),
  };
  for (const [what, work] of Object.entries(works)) {
    const whole = await work();
    for (let ended = 1; ended <= 9; ended++) {
      standIn.faults.endsReads = ended;
      const answer = await work().catch((error: Error) => error);
      if (answer instanceof Error) assert.equal(answer.name, 'EventStoreUnavailable', what);
      else if ((answer as Slice).live === false) assert.ok((answer as Slice).events.length > 0, what);
      else assert.deepEqual(answer, whole, what);
    }
    standIn.faults.endsReads = 0;
    assert.deepEqual(await work(), whole, what);
  }
});

test('a position between two records is that of no event, and one behind the last is past the end', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  await log.append(freshStream(), 0, newEvents(3));
  const { epoch } = await log.head();
  const lost = (await log.readAll(START, 10)).events.at(-1)!;
  const bookmark = { epoch, position: lost.position, eventId: lost.id };
  standIn.log.truncateTail(1);
  assert.deepEqual(await log.readAll(lost.position, 10), { events: [], through: lost.position, live: true });
  assert.equal(await log.eventIdAt(lost.position), null);
  // Others lie across the place now.
  await log.append(freshStream(), 0, [newEvent({ data: Buffer.alloc(1_000) }), newEvent()]);
  assert.equal(await log.eventIdAt(lost.position), null);
  assert.match((await historyMismatch(log, bookmark))!, /the log has nothing/);
});

test('a read that fails once is not taken for the absence of the event', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  for (let i = 0; i < 5; i++) await log.append(freshStream(), 0, newEvents(20));
  standIn.log.writeSystemEvents(3);
  const { epoch } = await log.head();
  for (const event of (await log.readAll(START, 100)).events.filter((_, index) => index % 9 === 0)) {
    const bookmark = { epoch, position: event.position, eventId: event.id };
    for (const failing of [1, 2, 3]) {
      standIn.faults.failsReadsAt = failing;
      // Whatever was read around it said that it is there, or nothing did and it is tried again.
      const answer = await historyMismatch(log, bookmark).catch((error: Error) => error);
      if (answer !== null) assert.equal((answer as Error).name, 'EventStoreUnavailable');
    }
    standIn.faults.failsReadsAt = 0;
    assert.equal(await historyMismatch(log, bookmark), null);
  }
});

test('a place that lies between two records far from the end is told in the end, call after call', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  await log.append(freshStream(), 0, newEvents(3));
  const lost = (await log.readAll(START, 10)).events.at(-1)!;
  standIn.log.truncateTail(1);
  await log.append(freshStream(), 0, [newEvent({ data: Buffer.alloc(1_000) })]);
  standIn.log.writeSystemEvents(24_000);
  for (const _ of [1, 2]) {
    await assert.rejects(log.eventIdAt(lost.position), { name: 'EventStoreUnavailable' });
  }
  assert.equal(await log.eventIdAt(lost.position), null);
});

test('those who look for the same far place at once get as far, call after call, as one who looks alone', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  await log.append(freshStream(), 0, newEvents(3));
  const lost = (await log.readAll(START, 10)).events.at(-1)!;
  standIn.log.truncateTail(1);
  await log.append(freshStream(), 0, [newEvent({ data: Buffer.alloc(1_000) })]);
  standIn.log.writeSystemEvents(12_000);
  const together = () => Promise.allSettled([1, 2].map(() => log.eventIdAt(lost.position)));
  for (const { status } of await together()) assert.equal(status, 'rejected');
  for (const answer of await together()) assert.deepEqual(answer, { status: 'fulfilled', value: null });
});

test('a place before the first record of all is told, where a call before has come down to just that record', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  // With the record of the epoch as many as one call looks through.
  standIn.log.writeSystemEvents(9_999);
  await assert.rejects(log.eventIdAt(positionOf(1n, 1n)), { name: 'EventStoreUnavailable' });
  assert.equal(await log.eventIdAt(positionOf(1n, 1n)), null);
});

test('a failover that lost system events hides no event of ours that got their places', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const answer = await log.append(freshStream(), 0, newEvents(1));
  assert.ok(answer.ok);
  standIn.log.writeSystemEvents(5);
  assert.equal((await log.readAll(answer.position, 10)).events.length, 0);
  standIn.log.truncateTail(5);
  const after = newEvents(9);
  await log.append(freshStream(), 0, after);
  assert.deepEqual(
    (await log.readAll(answer.position, 10)).events.map(({ id }) => id),
    after.map(({ id }) => id),
  );
  assert.equal((await log.head()).position, (await log.newest(1))[0]!.position);
});

test('a stream of thousands is read whole and in parts, and a conflict in it costs no read of it', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const stream = freshStream();
  for (let version = 0; version < 5_000; version += 1_000)
    await log.append(stream, version, newEvents(1_000));
  const versions = async (range: { after?: number; through?: number }) =>
    (await log.readStream(stream, range)).map((event) => event.version);
  const from = (after: number, through: number) =>
    Array.from({ length: through - after }, (_, i) => after + i + 1);
  assert.deepEqual(await versions({}), from(0, 5_000));
  assert.deepEqual(await versions({ after: 4_100 }), from(4_100, 5_000));
  assert.deepEqual(await versions({ after: 10, through: 3_000 }), from(10, 3_000));
  assert.deepEqual(await versions({ after: 4_990, through: 6_000 }), from(4_990, 5_000));
  const before = standIn.eventsRead();
  assert.deepEqual(await log.append(stream, 0, [newEvent()]), { ok: false, actual: 5_000 });
  assert.ok(standIn.eventsRead() - before <= 1);
});

test('a position that the server does not say is never made up', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const stream = freshStream();
  await log.append(stream, 0, newEvents(1));
  standIn.faults.omitsPositions = true;
  await assert.rejects(log.readStream(stream), /does not say where/);
  await assert.rejects(log.append(stream, 1, newEvents(1)), /does not say where/);
  assert.equal((await log.readAll(START, 10)).events.length, 2);
});

test('closing ends the calls that are under way, and takes no others', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  standIn.faults.hang = true;
  const pending = Promise.allSettled([
    ...Array.from({ length: 200 }, () => log.append(freshStream(), 0, newEvents(1))),
    log.readAll(START, 10),
  ]);
  await until('they are under way', () => log.waitingAppends() === 200);
  const startedMs = performance.now();
  await log.close();
  const answers = await pending;
  assert.ok(answers.every(({ status }) => status === 'rejected'));
  // Their own deadline is a second.
  assert.ok(performance.now() - startedMs < 900);
  await assert.rejects(log.append(freshStream(), 0, newEvents(1)), /closed/);
  await assert.rejects(log.head(), /closed/);
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

test('whatever is asked is asked of the leader', async (t) => {
  const { log, standIn } = await openEventStoreTestLog(t);
  const leader = await openEventStoreTestLog(t);
  const calls: (() => Promise<unknown>)[] = [
    () => log.head(),
    () => log.readStream(freshStream()),
    () => log.readAll(START, 10),
    () => log.eventIdAt(positionOf(1n, 1n)),
    () => log.newest(1),
    () => log.append(freshStream(), 0, newEvents(1)),
  ];
  // Nobody listens there.
  standIn.faults.leaderAt = 1;
  for (const call of calls) {
    await assert.rejects(call(), { name: 'EventStoreUnavailable' });
    await assert.rejects(call(), { name: 'EventStoreUnavailable' });
  }
  const moved = await openEventStoreTestLog(t);
  moved.standIn.faults.leaderAt = leader.standIn.port;
  await until('it has gone to the leader', () =>
    moved.log.append(freshStream(), 0, newEvents(1)).then(
      () => true,
      () => false,
    ),
  );
  assert.equal((await leader.log.readAll(START, 10)).events.length, 1);
});

test('a connection string may name credentials, members to discover, and the successor', async (t) => {
  const { standIn } = await openEventStoreTestLog(t);
  const at = `127.0.0.1:${standIn.port}`;
  for (const url of [
    `esdb://admin:ch%40ngeit@${at}?tls=false`,
    `kurrentdb://${at}?tls=false&connectionName=plinth`,
    `esdb+discover://${at}?tls=false&node-preference=leader`,
    `kurrentdb+discover://admin:changeit@${at}/?tls=false`,
    `esdb://${at},${at}?tls=false`,
  ]) {
    const log = await openEventStoreLogAt(t, url);
    assert.ok((await log.append(freshStream(), 0, newEvents(1))).ok);
  }
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

test('a connection string that will not do is refused, and neither told nor printed', (t) => {
  const printed = t.mock.method(console, 'warn', () => {});
  for (const url of [
    'esdb://admin:hunter2@',
    'esdb://admin:hunter2@127.0.0.1:1?tls=maybe',
    'esdb://admin:hunter2@127.0.0.1:1?tls=false&colour=hunter2',
    'esdb://admin:hunter2@127.0.0.1:1?tlsVerifyCert=false',
    'esdb://admin:hu?nter2=hunter2@127.0.0.1:1?tls=false&colour=red',
    'esdb://admin:hunter2@127.0.0.1:1?tlsCAFile=/nowhere/hunter2.pem',
  ]) {
    assert.throws(
      () => connectEventStore(new Secret(url)),
      (error: Error) => !/hunter2|nter2/.test(inspect(error)) && /EVENT_LOG_URL/.test(error.message),
    );
  }
  assert.equal(printed.mock.callCount(), 0);
});

test('what fails says nothing secret', async (t) => {
  const { standIn } = await openEventStoreTestLog(t);
  const log = await openEventStoreLogAt(t, `esdb://admin:hunter2@127.0.0.1:${standIn.port}?tls=false`);
  for (const fault of ['refuse', 'hang'] as const) {
    standIn.faults[fault] = true;
    const error = await log.head().catch((caught: Error) => caught);
    assert.ok(error instanceof Error && !/hunter2/.test(inspect(error, { depth: 9 })));
    standIn.faults[fault] = false;
  }
  await standIn.close();
  const error = await log.head().catch((caught: Error) => caught);
  assert.ok(error instanceof Error && !/hunter2/.test(inspect(error, { depth: 9 })));
});

test('positions sort as they lie, and those of another engine are none', () => {
  assert.ok(positionOf(9n, 9n) < positionOf(10n, 10n));
  assert.deepEqual(allPositionOf(positionOf(5n, 4n)), { commit: 5n, prepare: 4n });
  assert.equal(allPositionOf('00000000000000000001' as never), null);
});
