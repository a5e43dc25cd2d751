import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../infra/system-clock.ts';
import type { NextOffset } from '../../projections/feed.ts';
import type { Bookmark, Epoch, EventId, Position, Recorded } from '../../schemas/envelope.ts';
import { START, streamId } from '../../schemas/envelope.ts';
import { type Partition, partitionOf, type Relayed, topicDomains } from '../../schemas/topics.ts';
import { type Outgoing, RelayFenced, type RelayRecord } from '../../workers/relay-topics.ts';
import { type MemoryBroker, memoryBroker } from './memory-broker.ts';

const EPOCH = '00000000-0000-4000-8000-000000000001' as Epoch;
const stream = streamId('key', 'a');
const home: Partition = { domain: 'keys', partition: partitionOf(stream, 2) };
const positionOf = (n: number) => String(n).padStart(20, '0') as Position;

function bookmarkOf(n: number): Bookmark {
  return n === 0
    ? { epoch: EPOCH, position: START, eventId: null }
    : { epoch: EPOCH, position: positionOf(n), eventId: `event-${n}` as EventId };
}
function outgoing(n: number): Outgoing {
  const event: Recorded = {
    id: `event-${n}` as EventId,
    type: 'key.issued',
    schemaVersion: 1,
    timeMs: n,
    nonce: new Uint8Array(16),
    data: new Uint8Array(),
    metadata: new Uint8Array(),
    stream,
    version: n,
    position: positionOf(n),
  };
  const predecessor = n === 1 ? START : positionOf(n - 1);
  return { ...home, bookmark: bookmarkOf(n), predecessor, event };
}
function recordAt(n: number): RelayRecord {
  const none = Object.keys(topicDomains).map((domain) => [domain, [START, START]]);
  return { generation: 1, partitions: 2, bookmark: bookmarkOf(n), last: Object.fromEntries(none) };
}
function positions(broker: MemoryBroker): readonly Position[] {
  return broker.committed(1, home).map((record) => record.bookmark.position);
}
/** A broker with the events 1 to n, each in a transaction of its own. */
async function filled(n: number) {
  const broker = memoryBroker({ clock: systemClock });
  const relay = broker.connect().relayTopics();
  await relay.takeOver();
  for (let i = 1; i <= n; i++) await relay.commit([outgoing(i)], recordAt(i));
  return { broker, relay };
}
/** Reads through the feed until `enough`, from `offset` in our partition. */
async function readFrom(broker: MemoryBroker, offset: string, enough: number): Promise<readonly Relayed[]> {
  const abort = new AbortController();
  const seen: Relayed[] = [];
  await broker
    .connect()
    .feed()
    .consume({
      group: 'readers',
      domains: ['keys'],
      generation: { generation: 1, partitions: 2 },
      signal: abort.signal,
      assigned: async (partitions) => partitions.map((p): NextOffset => ({ ...p, offset })),
      async records(_partition, records) {
        seen.push(...records);
        if (seen.length >= enough) abort.abort();
      },
    });
  return seen;
}

test('what a fenced relay has written and not committed is never seen, and it commits nothing more', async () => {
  const { broker } = await filled(1);
  const zombie = broker.connect();
  await zombie.producer.init();
  const { producer } = zombie;
  await producer.init();
  await producer.write(1, [outgoing(2)]);
  const successor = broker.connect().relayTopics();
  const footing = await successor.takeOver();
  assert.equal(footing.record?.bookmark.position, positionOf(1));
  await assert.rejects(producer.commit(), RelayFenced);
  await successor.commit([outgoing(2)], recordAt(2));
  assert.deepEqual(positions(broker), [positionOf(1), positionOf(2)]);
});

test('an open transaction takes offsets, and hides what lies behind it from readers of what is committed', async () => {
  const { broker } = await filled(1);
  const { producer } = broker.connect();
  await producer.init();
  await producer.write(1, [outgoing(2), outgoing(3)]);
  const feed = broker.connect().feed();
  const ends = await feed.ends(['keys']);
  const end = ends?.offsets.find((offset) => offset.partition === home.partition);
  // One record and its control record, and the two that are open.
  assert.equal(end?.offset, '4');
  assert.deepEqual(positions(broker), [positionOf(1)]);
  await producer.commit();
  assert.deepEqual(positions(broker), [1, 2, 3].map(positionOf));
});

test('a commit whose answer is lost has taken effect, and the next needs a take-over', async () => {
  const { broker, relay } = await filled(1);
  broker.loseCommits(1);
  await assert.rejects(relay.commit([outgoing(2)], recordAt(2)), /answer/);
  await assert.rejects(relay.commit([outgoing(3)], recordAt(3)), /take over first/);
  const footing = await relay.takeOver();
  assert.equal(footing.record?.bookmark.position, positionOf(2));
  assert.deepEqual(positions(broker), [positionOf(1), positionOf(2)]);
});

test('a call that fails does nothing, and neither does one while the broker is away', async () => {
  const { broker, relay } = await filled(1);
  broker.failCalls(1);
  await assert.rejects(relay.commit([outgoing(2)], recordAt(2)), /could not be reached/);
  broker.setAway(true);
  await assert.rejects(relay.takeOver(), /could not be reached/);
  broker.setAway(false);
  assert.equal((await relay.takeOver()).record?.bookmark.position, positionOf(1));
});

test('compaction leaves the last record and the last marker, and a relay reads the same', async () => {
  const { broker, relay } = await filled(5);
  broker.compact();
  assert.equal((await relay.takeOver()).record?.bookmark.position, positionOf(5));
  broker.deletePositionTopic();
  assert.deepEqual(await relay.takeOver(), { record: null, topicsHoldRecords: true, lastGeneration: 1 });
});

test('a reader below what was trimmed is silently set to the earliest record', async () => {
  const { broker } = await filled(5);
  broker.trim(1, home, 6);
  const seen = await readFrom(broker, '0', 2);
  assert.deepEqual(
    seen.map((record) => record.bookmark.position),
    [positionOf(4), positionOf(5)],
  );
});

test('a topic that was deleted comes back empty, its offsets from 0', async () => {
  const { broker, relay } = await filled(3);
  broker.deleteTopic(1, 'keys');
  await assert.rejects(relay.commit([outgoing(4)], recordAt(4)), /UNKNOWN_TOPIC/);
  await relay.takeOver();
  await relay.commit([outgoing(4)], recordAt(4));
  const seen = await readFrom(broker, '6', 1);
  assert.deepEqual(
    seen.map(({ offset, predecessor }) => ({ offset, predecessor })),
    [{ offset: '0', predecessor: positionOf(3) }],
  );
});

test('a member that is thrown out while it works does not keep the partition from its successor', async () => {
  const { broker } = await filled(1);
  const abort = new AbortController();
  let thaw: () => void = () => {};
  const frozen = new Promise<void>((resolve) => {
    thaw = resolve;
  });
  let began: () => void = () => {};
  const working = new Promise<void>((resolve) => {
    began = resolve;
  });
  const zombie = broker
    .connect()
    .feed()
    .consume({
      group: 'readers',
      domains: ['keys'],
      generation: { generation: 1, partitions: 2 },
      signal: abort.signal,
      assigned: async (partitions) => partitions.map((p) => ({ ...p, offset: '0' })),
      async records() {
        began();
        await frozen;
      },
    });
  await working;
  broker.groups()[0]!.evict();
  assert.equal((await readFrom(broker, '0', 1)).length, 1);
  abort.abort();
  thaw();
  await zombie;
});

test('what the records of a member throw ends its membership', async () => {
  const { broker } = await filled(1);
  await assert.rejects(
    broker
      .connect()
      .feed()
      .consume({
        group: 'readers',
        domains: ['keys'],
        generation: { generation: 1, partitions: 2 },
        signal: new AbortController().signal,
        assigned: async (partitions) => partitions.map((p) => ({ ...p, offset: '0' })),
        records: () => Promise.reject(new Error('a gap')),
      }),
    /a gap/,
  );
  assert.equal(broker.groups()[0]!.size, 0);
});

test('a transaction that nobody ends is aborted after its time, and its producer is fenced', async () => {
  let nowMs = 0;
  const broker = memoryBroker({ clock: { now: () => nowMs, sleep: async () => {} } });
  const { producer } = broker.connect();
  await producer.init();
  await producer.makeTopics(1, 2);
  await producer.write(1, [outgoing(1)]);
  nowMs = 60_000;
  await assert.rejects(producer.commit(), RelayFenced);
  assert.deepEqual(positions(broker), []);
});

test('the turn is awaited before each effect and before each answer', async () => {
  const turns: string[] = [];
  const broker = memoryBroker({ clock: systemClock });
  const relay = broker.connect({ turn: async (label) => void turns.push(label) }).relayTopics();
  await relay.takeOver();
  assert.deepEqual(turns.slice(0, 6), [
    'relay.init',
    'relay.init.answer',
    'relay.write-position',
    'relay.write-position.answer',
    'relay.commit',
    'relay.commit.answer',
  ]);
});
