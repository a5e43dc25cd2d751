import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MAX_APPEND_BYTES, START, type StreamId } from '../../schemas/envelope.ts';
import { freshStream, newEvent, newEvents } from '../../test/contracts/event-log-fixtures.ts';
import { testDatabase } from '../../test/support/postgres.ts';
import { openTestLog } from '../../test/support/postgres-log.ts';
import { createPool } from '../postgres/pool.ts';
import { systemClock } from '../system-clock.ts';
import { takeMembers, type WaitingAppend } from './append-batches.ts';
import { openPostgresEventLog } from './postgres-event-log.ts';

const END_OTHERS =
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';

async function countedLog(t: TestContext) {
  const calls = new Map<string, number>();
  const pool = createPool({
    connectionString: await testDatabase(t),
    applicationName: 'plinth test',
    onQuery: (name) => calls.set(name, (calls.get(name) ?? 0) + 1),
  });
  const log = await openPostgresEventLog({ pool, clock: systemClock });
  t.after(async () => {
    await log.close();
    await pool.close();
  });
  return { log, pool, calls };
}

test('appends that arrive together travel in one call, and those that arrive meanwhile in the next', async (t) => {
  const { log, calls } = await countedLog(t);
  const appends = Array.from({ length: 40 }, () => log.append(freshStream(), 0, [newEvent()]));
  await new Promise((resolve) => setImmediate(resolve));
  appends.push(...Array.from({ length: 40 }, () => log.append(freshStream(), 0, [newEvent()])));
  for (const answer of await Promise.all(appends)) assert.ok(answer.ok);
  assert.equal(calls.get('log_append'), 2);
});

test('reads of streams that arrive together travel in one query', async (t) => {
  const { log, calls } = await countedLog(t);
  const streams = Array.from({ length: 30 }, () => freshStream());
  await Promise.all(streams.map((stream, i) => log.append(stream, 0, newEvents(1 + (i % 3)))));
  const read = await Promise.all(streams.map((stream) => log.readStream(stream)));
  assert.deepEqual(
    read.map((events) => events.map((event) => event.stream)),
    streams.map((stream, i) => Array.from({ length: 1 + (i % 3) }, () => stream)),
  );
  assert.equal(calls.get('log_read_streams'), 1);
});

test('a stream longer than a page is read whole', async (t) => {
  const { log } = await countedLog(t);
  const stream = freshStream();
  await log.append(stream, 0, newEvents(1000));
  await log.append(stream, 1000, newEvents(3));
  const events = await log.readStream(stream, { after: 1, through: 1002 });
  assert.deepEqual(
    events.map((event) => event.version),
    Array.from({ length: 1001 }, (_, i) => i + 2),
  );
});

function waiting(stream: string, bytes: number): WaitingAppend {
  const nothing = () => undefined;
  return { stream: stream as StreamId, expected: 0, events: [], bytes, resolve: nothing, reject: nothing };
}

test('a call takes one append a stream, in order, and no more bytes than the largest append', () => {
  const queue = [
    waiting('a', 1),
    waiting('b', 1),
    waiting('a', 1),
    waiting('c', MAX_APPEND_BYTES),
    waiting('d', 1),
  ];
  const calls: string[] = [];
  while (queue.length > 0)
    calls.push(
      takeMembers(queue)
        .map((member) => member.stream)
        .join(''),
    );
  assert.deepEqual(calls, ['ab', 'a', 'c', 'd']);
});

test('a subscription goes on by itself after every connection was cut, and loses nothing', async (t) => {
  const { log, pool } = await openTestLog(t);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 60_000);
  const stream = freshStream();
  const versions: number[] = [];
  await log.append(stream, 0, [newEvent()]);
  for await (const slice of log.subscribe(START, { batchEvents: 10, signal: stop.signal })) {
    versions.push(...slice.events.map((event) => event.version));
    if (slice.events.length === 0) continue;
    if (versions.length === 5) stop.abort();
    else {
      await pool.query(END_OTHERS);
      for (let sent = false; !sent; ) {
        sent = await log.append(stream, versions.length, [newEvent()]).then(
          () => true,
          () => false,
        );
      }
    }
  }
  clearTimeout(timer);
  assert.deepEqual(versions, [1, 2, 3, 4, 5]);
});

test('a new epoch is another one, and a log without durability is refused', async (t) => {
  const { log, pool, url } = await openTestLog(t);
  const before = (await log.head()).epoch;
  assert.notEqual(await log.mintEpoch(), before);
  assert.notEqual((await log.head()).epoch, before);

  await pool.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`);
  const careless = createPool({ connectionString: url, applicationName: 'plinth test' });
  t.after(() => careless.close());
  await assert.rejects(
    openPostgresEventLog({ pool: careless, clock: systemClock }),
    /synchronous_commit = off/,
  );
});

test('an append under another isolation than READ COMMITTED is refused by the database', async (t) => {
  const { pool } = await openTestLog(t);
  await assert.rejects(
    pool.transaction(
      (tx) =>
        tx.query("SELECT plinth_log.append('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','')"),
      { isolation: 'repeatable read' },
    ),
    /READ COMMITTED/,
  );
});
