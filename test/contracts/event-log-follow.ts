/** Contract: reading on from a position, and following. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { EventLog } from '../../commands/event-log.ts';
import { type Position, type Recorded, type Slice, START } from '../../schemas/envelope.ts';
import type { EventLogContractOptions } from './event-log.ts';
import { freshStream, newEvent, newEvents } from './event-log-fixtures.ts';

const WRITERS = 32;
const APPENDS_PER_WRITER = 12;
/** A test that follows gives up after this, in ms. */
const PATIENCE_MS = 60_000;

/** Follows until `enough` says so, or fails. */
async function follow(
  log: EventLog,
  after: Position,
  enough: (seen: readonly Recorded[], slice: Slice) => boolean,
  batchEvents = 50,
): Promise<Recorded[]> {
  const stop = new AbortController();
  const seen: Recorded[] = [];
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    for await (const slice of log.subscribe(after, { batchEvents, signal: stop.signal })) {
      assert.ok(slice.events.length <= batchEvents);
      seen.push(...slice.events);
      if (enough(seen, slice)) return seen;
    }
    throw new assert.AssertionError({ message: `gave up with ${seen.length} events` });
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

function checkOrder(events: readonly Recorded[]): void {
  const versions = new Map<string, number>();
  for (const [index, event] of events.entries()) {
    if (index > 0) assert.ok(event.position > events[index - 1]!.position, 'positions go up');
    assert.equal(event.version, (versions.get(event.stream) ?? 0) + 1, `${event.stream} goes up by one`);
    versions.set(event.stream, event.version);
  }
}

export function followContract({ open }: EventLogContractOptions): void {
  async function filled(t: TestContext): Promise<{ log: EventLog; all: readonly Recorded[] }> {
    const { log } = await open(t);
    const streams = [freshStream(), freshStream('other'), freshStream()];
    for (let i = 0; i < 12; i++) await log.append(streams[i % 3]!, 'any', newEvents(1 + (i % 3)));
    const all = (await log.readAll(START, 1000)).events;
    return { log, all };
  }

  test('an empty log has a head at the start, and says so live', async (t) => {
    const { log } = await open(t);
    assert.equal((await log.head()).position, START);
    assert.deepEqual(await log.readAll(START, 10), { events: [], through: START, live: true });
    assert.equal(await log.eventIdAt(START), null);
    assert.deepEqual(await log.readStream(freshStream()), []);
  });

  test('reading resumes at every position, in pages of every size', async (t) => {
    const { log, all } = await filled(t);
    checkOrder(all);
    for (const [index, after] of [START, ...all.map((event) => event.position)].entries()) {
      for (const limit of [1, 5, all.length + 1]) {
        const slice = await log.readAll(after, limit);
        assert.deepEqual(
          slice.events.map((event) => event.id),
          all.slice(index, index + limit).map((event) => event.id),
        );
        assert.equal(slice.live, index + limit >= all.length);
        if (slice.events.length > 0) assert.equal(slice.through, slice.events.at(-1)!.position);
        else assert.ok(slice.through >= after);
      }
    }
  });

  test('a subscription resumes at every position', async (t) => {
    const { log, all } = await filled(t);
    for (const [index, after] of [START, ...all.slice(0, -1).map((event) => event.position)].entries()) {
      const seen = await follow(log, after, (_, slice) => slice.live, 4);
      assert.deepEqual(
        seen.map((event) => event.id),
        all.slice(index).map((event) => event.id),
      );
    }
  });

  test('a stream is read between two versions', async (t) => {
    const { log } = await open(t);
    const stream = freshStream();
    await log.append(stream, 0, newEvents(6));
    const versions = async (options: { after?: number; through?: number }) =>
      (await log.readStream(stream, options)).map((event) => event.version);
    assert.deepEqual(await versions({ after: 4 }), [5, 6]);
    assert.deepEqual(await versions({ through: 2 }), [1, 2]);
    assert.deepEqual(await versions({ after: 2, through: 4 }), [3, 4]);
    assert.deepEqual(await versions({ after: 6 }), []);
    assert.deepEqual(await versions({ after: 9 }), []);
    assert.deepEqual(await versions({ after: 4, through: 2 }), []);
  });

  test('a read that starts after an append was answered sees it', async (t) => {
    const { log } = await open(t);
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const stream = freshStream();
        for (let version = 0; version < 4; version++) {
          const answer = await log.append(stream, version, [newEvent()]);
          assert.ok(answer.ok);
          const [events, head] = await Promise.all([log.readStream(stream), log.head()]);
          assert.equal(events.length, version + 1);
          assert.ok(head.position >= answer.position);
        }
      }),
    );
  });

  test('head, epoch and the id at a position are those of the last event', async (t) => {
    const { log, all } = await filled(t);
    const last = all.at(-1)!;
    const head = await log.head();
    assert.equal(head.position, last.position);
    assert.match(head.epoch, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    assert.equal((await log.head()).epoch, head.epoch);
    assert.equal(await log.eventIdAt(last.position), last.id);
    assert.equal(await log.eventIdAt(all[0]!.position), all[0]!.id);
    const beyond = '9'.repeat(last.position.length) as Position;
    assert.equal(await log.eventIdAt(beyond), null);
    // As a log of another engine hands them out.
    const alien = '0'.repeat(last.position.length === 20 ? 39 : 19).concat('1') as Position;
    assert.equal(await log.eventIdAt(alien), null);
    assert.deepEqual((await log.readAll(beyond, 10)).events, []);
    assert.deepEqual(await log.readStream(last.stream, { after: Number.MAX_SAFE_INTEGER }), []);
  });

  test('a refused append leaves the head where it was', async (t) => {
    const { log, all } = await filled(t);
    const before = await log.head();
    assert.equal((await log.append(all[0]!.stream, 0, [newEvent()])).ok, false);
    await assert.rejects(log.append(all[0]!.stream, 0, [newEvent({ id: all[0]!.id }), newEvent()]));
    assert.deepEqual(await log.head(), before);
  });

  test('a subscriber beside 32 concurrent appenders loses nothing and sees everything in order', async (t) => {
    const { log, elsewhere = log } = await open(t);
    const streams = Array.from({ length: WRITERS / 2 }, () => freshStream());
    const acknowledged: { id: string; position: Position }[] = [];
    let writing = WRITERS;
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let i = 0; i < APPENDS_PER_WRITER; i++) {
        const events = newEvents(1 + ((writer + i) % 3));
        const through = writer % 3 === 0 ? elsewhere : log;
        const answer = await through.append(streams[writer % streams.length]!, 'any', events);
        assert.ok(answer.ok);
        acknowledged.push({ id: events.at(-1)!.id, position: answer.position });
      }
      writing -= 1;
    });
    const expected = writers.length * APPENDS_PER_WRITER * 2;
    const [seen] = await Promise.all([
      follow(log, START, (events, slice) => writing === 0 && slice.live && events.length >= expected),
      ...writers,
    ]);
    checkOrder(seen);
    const positions = new Map(seen.map((event) => [event.id as string, event.position]));
    for (const { id, position } of acknowledged) assert.equal(positions.get(id), position);
    assert.deepEqual(
      (await log.readAll(START, 10_000)).events.map((event) => event.id),
      seen.map((event) => event.id),
    );
  });

  test('a transaction with an older id that is still open hides and reorders nothing', async (t) => {
    const { log, openOlderTransaction } = await open(t);
    const end = await openOlderTransaction?.();
    const stream = freshStream();
    let through = START;
    try {
      const first = await log.append(stream, 0, newEvents(3));
      assert.ok(first.ok);
      const seen = await follow(log, START, (events) => events.length === 3);
      assert.equal(seen.at(-1)!.position, first.position);
      through = first.position;
    } finally {
      await end?.();
    }
    const second = await log.append(stream, 3, [newEvent()]);
    assert.ok(second.ok && second.position > through);
    assert.deepEqual(
      (await log.readAll(through, 10)).events.map((event) => event.version),
      [4],
    );
  });

  test('a quiet subscription yields empty live slices, then what comes, and ends when told', async (t) => {
    const { log } = await open(t);
    const stop = new AbortController();
    const stream = freshStream();
    const seen: number[] = [];
    for await (const slice of log.subscribe(START, { batchEvents: 10, signal: stop.signal })) {
      seen.push(slice.events.length);
      assert.ok(slice.live);
      if (seen.length === 2) await log.append(stream, 0, [newEvent()]);
      if (slice.events.length > 0) stop.abort();
    }
    assert.deepEqual(seen, [0, 0, 1]);
  });
}
