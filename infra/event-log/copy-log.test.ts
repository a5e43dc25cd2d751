import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Recorded, START } from '../../schemas/envelope.ts';
import { asAppended, freshStream, newEvent, newEvents } from '../../test/contracts/event-log-fixtures.ts';
import { memoryEventLog } from '../../test/engines/memory-event-log.ts';
import { openEventStoreTestLog } from '../../test/support/eventstore-log.ts';
import { openTestLog } from '../../test/support/postgres-log.ts';
import { systemClock } from '../system-clock.ts';
import { compareLogs } from './compare-logs.ts';
import { copyLog, NotACopy } from './copy-log.ts';
import { appendingLogWriter, LogInUse, postgresLogWriter } from './log-writer.ts';

/** 1,322 events of interleaved streams; positions with gaps. */
async function source(t: TestContext) {
  const opened = await openTestLog(t);
  const { log } = opened;
  const [a, b] = [freshStream(), freshStream('other')];
  await log.append(a, 0, newEvents(600));
  await log.append(b, 0, [newEvent({ data: Uint8Array.of(0, 255, 10), metadata: new Uint8Array(0) })]);
  await assert.rejects(log.append(freshStream(), 0, (await log.readStream(a)).slice(0, 1)));
  for (let i = 0; i < 20; i++) {
    await log.append(a, 600 + i, newEvents(1));
    await log.append(b, 1 + i, newEvents(1));
  }
  await log.append(a, 620, newEvents(681));
  return opened;
}

async function whole(log: Parameters<typeof compareLogs>[0]) {
  const { events } = await log.readAll(START, 10_000);
  return events.map((event: Recorded) => ({
    ...asAppended(event),
    stream: event.stream,
    version: event.version,
  }));
}

const targets = {
  'a Postgres log': async (t: TestContext) => {
    const { log, pool } = await openTestLog(t);
    return { log, writer: postgresLogWriter(pool) };
  },
  EventStoreDB: async (t: TestContext) => {
    const { log } = await openEventStoreTestLog(t);
    return { log, writer: appendingLogWriter(log) };
  },
  'any log by appends': async (t: TestContext) => {
    const { log } = await openTestLog(t);
    return { log, writer: appendingLogWriter(log) };
  },
};

for (const [name, open] of Object.entries(targets)) {
  test(`into ${name}: everything but positions is the same, the epoch is new, and it goes on`, async (t) => {
    const from = (await source(t)).log;
    const { log: to, writer } = await open(t);
    const epochBefore = (await to.head()).epoch;
    const progress: number[] = [];

    const copied = await copyLog({ from, to, writer, onProgress: (p) => progress.push(p.copied) });

    const events = await whole(to);
    assert.equal(copied.copied, events.length);
    assert.deepEqual(events, await whole(from));
    assert.equal(progress.at(-1), events.length);
    assert.notEqual(copied.epoch, epochBefore);
    assert.equal((await to.head()).epoch, copied.epoch);
    assert.deepEqual((await compareLogs(from, to)).difference, null);
    const { stream, version } = events.at(-1)!;
    const next = await to.append(stream, version, newEvents(2));
    assert.ok(next.ok && next.version === version + 2);
    assert.ok(next.position > (await to.readAll(START, 10_000)).events.at(-3)!.position);
  });

  test(`into ${name}: a copy that was ended goes on from where it was, and takes what came meanwhile`, async (t) => {
    const from = (await source(t)).log;
    const { log: to, writer } = await open(t);
    const stop = new AbortController();
    const ended = copyLog({ from, to, writer, signal: stop.signal, onProgress: () => stop.abort() });
    await assert.rejects(ended, { name: 'AbortError' });
    const first = (await whole(to)).length;
    assert.ok(first > 0 && first < 1000);
    await from.append(freshStream(), 0, newEvents(3));

    const copied = await copyLog({ from, to, writer });

    assert.equal(copied.checked, first);
    assert.deepEqual(await whole(to), await whole(from));
    const again = await copyLog({ from, to, writer });
    assert.deepEqual(again, { checked: copied.checked + copied.copied, copied: 0, epoch: copied.epoch });
  });

  test(`into ${name}: another writer ends the copy`, async (t) => {
    const from = (await source(t)).log;
    const { log: to, writer } = await open(t);
    let written = 0;
    const intruding = {
      write: async (...args: Parameters<typeof writer.write>) => {
        if (written++ === 1) await to.append(freshStream(), 0, newEvents(1));
        await writer.write(...args);
      },
    };
    await assert.rejects(copyLog({ from, to, writer: intruding }), LogInUse);
  });
}

test('from EventStoreDB back into Postgres everything but positions is the same', async (t) => {
  const { log: first } = await source(t);
  const { log: there } = await openEventStoreTestLog(t);
  const { log: back, pool } = await openTestLog(t);
  await copyLog({ from: first, to: there, writer: appendingLogWriter(there) });
  await copyLog({ from: there, to: back, writer: postgresLogWriter(pool) });
  assert.deepEqual(await whole(back), await whole(first));
});

test('a log that holds something else is not copied into, and the first difference is named', async (t) => {
  const { log: from } = await openTestLog(t);
  const { log: to, pool } = await openTestLog(t);
  const stream = freshStream();
  const [same, other] = newEvents(2);
  await from.append(stream, 0, [same!, other!]);
  await to.append(stream, 0, [same!, { ...other!, data: Buffer.from('{"a":2}'), timeMs: other!.timeMs + 1 }]);
  await assert.rejects(copyLog({ from, to, writer: postgresLogWriter(pool) }), (error: Error) => {
    assert.ok(error instanceof NotACopy);
    assert.match(error.message, /event 2 is thing\.happened .* differ in timeMs, data\./);
    return true;
  });
  assert.equal((await to.readAll(START, 10)).events.length, 2);
});

test('a comparison names what one log lacks', async () => {
  const [a, b] = [memoryEventLog({ clock: systemClock }), memoryEventLog({ clock: systemClock })];
  const stream = freshStream();
  const events = newEvents(3);
  await a.append(stream, 0, events);
  await b.append(stream, 0, events.slice(0, 2));
  const { events: same, difference } = await compareLogs(a, b);
  assert.equal(same, 2);
  assert.equal(difference?.left?.id, events[2]!.id);
  assert.equal(difference?.right, null);
});

test('a log of large events, of which the one engine gives less at a time than the other, is copied', async (t) => {
  const from = (await openTestLog(t)).log;
  const { log: to } = await openEventStoreTestLog(t);
  // Together just above what a slice holds: EventStoreDB counts a little more of each than Postgres.
  const large = () => newEvent({ data: Buffer.alloc(262_110), metadata: new Uint8Array(0) });
  for (let i = 0; i < 65; i++) await from.append(freshStream(), 0, [large()]);
  const copied = await copyLog({ from, to, writer: appendingLogWriter(to) });
  assert.equal(copied.copied, 65);
  assert.equal((await compareLogs(from, to)).difference, null);
});
