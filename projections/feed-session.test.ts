import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock as clock } from '../infra/system-clock.ts';
import { type Bookmark, START, streamId } from '../schemas/envelope.ts';
import type { Relayed } from '../schemas/topics.ts';
import { newEvents } from '../test/contracts/event-log-fixtures.ts';
import { memoryEventLog } from '../test/engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../test/engines/memory-projection-store.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { counts } from '../test/support/counting-projection.ts';
import type { Membership } from './feed.ts';
import { type FeedEnd, runFeedSession } from './feed-session.ts';

const STREAM = streamId('key', 'a');
const PARTITION = { domain: 'keys', partition: 0 };
const GENERATION = { generation: 1, partitions: 1 };

/** A revision that is fed and has applied the first `applied` of so many events; the test is the broker. */
async function session(events: number, applied: number) {
  const log = memoryEventLog({ clock });
  const database = memoryProjectionDatabase({ clock });
  const store = database.connect();
  await log.append(STREAM, 0, newEvents(events));
  const { epoch } = await log.head();
  const bookmarkOf = (n: number): Bookmark => {
    const event = log.events[n - 1];
    return { epoch, position: event?.position ?? START, eventId: event?.id ?? null };
  };
  const recordOf = (n: number): Relayed => ({
    offset: String(n),
    bookmark: bookmarkOf(n),
    predecessor: bookmarkOf(n - 1).position,
    event: log.events[n - 1]!,
  });
  const revision = await store.open(counts, 'serve', epoch);
  const held = await store.acquire(counts.name, revision, 'runner', 60_000);
  assert.ok(held.kind === 'held');
  const bookmark = bookmarkOf(applied);
  await store.advance(held.lease, held.bookmark, bookmark, null);
  await store.join(held.lease, bookmark, {
    ...GENERATION,
    places: [{ ...PARTITION, bookmark, offset: String(applied + 1) }],
  });
  const fed = await store.acquire(counts.name, revision, 'runner', 60_000);
  assert.ok(fed.kind === 'fed');
  const run = (consume: (membership: Membership) => Promise<void>): Promise<FeedEnd> =>
    runFeedSession({ projection: counts, store, log, decoder: plainCodec, clock }, fed, {
      feed: {
        ends: async () => ({ ...GENERATION, relayed: bookmark, offsets: [] }),
        generation: async () => GENERATION,
        consume,
        close: async () => {},
      },
      domains: ['keys'],
      signal: new AbortController().signal,
    });
  const counted = () => database.current(counts.name)?.data.tables.get('counts')?.get(STREAM)?.n ?? 0;
  return { log, run, recordOf, counted };
}

test('what was delivered before the partitions were shared out anew is not applied beside what came after', async () => {
  const { run, recordOf, counted } = await session(1, 0);
  const ended = await run(async (membership) => {
    await membership.assigned([PARTITION]);
    const before = membership.records(PARTITION, [recordOf(1)], true);
    await membership.assigned([PARTITION]);
    await Promise.all([before, membership.records(PARTITION, [recordOf(1)], true)]);
  });
  assert.deepEqual([ended, counted()], ['stopped', 1]);
});

test('nothing is applied on what the log has lost', async () => {
  const { log, run, recordOf, counted } = await session(1, 1);
  const running = run(async (membership) => {
    log.truncateTail(1);
    await log.append(STREAM, 0, newEvents(2));
    await membership.assigned([PARTITION]);
    await membership.records(PARTITION, [recordOf(2)], true);
  });
  await assert.rejects(running, { name: 'Halted', message: /was replaced/ });
  assert.equal(counted(), 0);
});
