import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  MAX_APPEND_BYTES,
  MAX_EVENT_BYTES,
  type Recorded,
  START,
  type StreamId,
  streamId,
} from '../../schemas/envelope.ts';
import { topicName } from '../../schemas/topics.ts';
import { freshStream, newEvent, newEvents } from '../../test/contracts/event-log-fixtures.ts';
import { type KafkaServer, ownKafka, type TestKafka, testKafka } from '../../test/support/kafka-server.ts';
import { kafkaTopics } from '../../test/support/kafka-topics.ts';
import { until } from '../../test/support/platform-process.ts';
import { openTestLog } from '../../test/support/postgres-log.ts';
import { without } from '../../test/support/servers.ts';
import { assertTopicsAreTheLog, readTopics } from '../../test/support/topic-check.ts';
import { beginGeneration } from '../../workers/begin-generation.ts';
import { type Relay, type RelayDeps, relay } from '../../workers/relay.ts';
import { RelayFenced } from '../../workers/relay-topics.ts';
import { systemClock as clock } from '../system-clock.ts';
import { openKafka } from './kafka.ts';

const skip = without('kafka');
const PARTITIONS = 2;
const key = (n: number): StreamId => streamId('key', `key_${n}`);
const held = { hold: async () => true, release: async () => {} };

async function world(t: TestContext, kafka?: TestKafka) {
  const { brokers, prefix } = kafka ?? (await testKafka());
  const { log } = await openTestLog(t);
  const opened = openKafka({ brokers, prefix, replicas: 1, clock });
  t.after(() => opened.close());
  const start = (lease: RelayDeps['lease'] = held) => {
    const kafka = openKafka({ brokers, prefix, replicas: 1, clock });
    const stop = new AbortController();
    const topics = kafka.relayTopics();
    const started: Relay = relay(
      { log, topics, lease, clock },
      { signal: stop.signal, partitions: PARTITIONS },
    );
    const running = started.run();
    let ended = false;
    const end = async () => {
      stop.abort();
      await running;
      if (!ended) await topics.close().then(() => kafka.close());
      ended = true;
    };
    t.after(end);
    return { relay: started, stop: end };
  };
  const events = async (): Promise<readonly Recorded[]> => {
    const all: Recorded[] = [];
    for (let at = START; ; ) {
      const slice = await log.readAll(at, 1000);
      if (slice.events.length === 0) return all;
      all.push(...slice.events);
      at = slice.through;
    }
  };
  const topics = { brokers, prefix, partitions: PARTITIONS };
  return {
    log,
    kafka: opened,
    prefix,
    brokers,
    start,
    events,
    caughtUp: (one: Relay) =>
      until('the relay is at the end of the log', async () => {
        const { position } = await log.head();
        return one.health().position === position && one.health().state === 'live';
      }),
    check: async (generation = 1, begin = START) =>
      assertTopicsAreTheLog({ ...topics, generation }, await events(), begin),
    read: (generation = 1) => readTopics({ ...topics, generation }),
  };
}

test('every event is in its topic once, the largest too, and every partition gets watermarks', {
  skip,
}, async (t) => {
  const { log, start, caughtUp, check, read } = await world(t);
  const small = newEvent();
  const room = MAX_EVENT_BYTES - small.type.length - small.metadata.length;
  await log.append(key(1), 0, [newEvent({ data: Buffer.alloc(room, 0x7f) })]);
  const quarter = MAX_APPEND_BYTES / 4 - small.type.length - small.metadata.length;
  await log.append(
    key(1),
    1,
    Array.from({ length: 4 }, () => newEvent({ data: Buffer.alloc(quarter, 0x2a) })),
  );
  const { relay: one } = start();
  for (let n = 2; n < 60; n++) await log.append(key(n), 0, newEvents(1 + (n % 4)));
  await log.append(freshStream('tenant'), 0, newEvents(700));
  await caughtUp(one);
  const end = (await log.head()).position;
  await until('every partition has been told of the end', async () =>
    [...(await read()).values()].every((records) => records.at(-1)?.bookmark.position === end),
  );
  const { events, watermarks } = await check();
  assert.equal(events, (await log.readAll(START, 5_000)).events.length);
  assert.ok(watermarks > 0);
});

test('a relay that takes over fences the one before, which commits nothing any more', {
  skip,
}, async (t) => {
  const { log, kafka, start, caughtUp, check } = await world(t);
  const first = start();
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(first.relay);
  await first.stop();

  const before = kafka.relayTopics();
  t.after(() => before.close());
  const { record } = await before.takeOver();
  const second = start();
  await log.append(key(1), 3, newEvents(2));
  await caughtUp(second.relay);
  const { bookmark } = record!;
  const event = (await log.readStream(key(1))).at(-1)!;
  await assert.rejects(
    before.commit([{ domain: 'keys', partition: 0, bookmark, predecessor: START, event }], record!),
    RelayFenced,
  );
  await log.append(key(1), 5, newEvents(1));
  await caughtUp(second.relay);
  await check();
});

test('a relay that is frozen inside a transaction and woken after the take-over leaves nothing of it behind', {
  skip,
}, async (t) => {
  const { log, start, caughtUp, check, prefix, brokers } = await world(t);
  const first = start();
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(first.relay);
  await first.stop();
  const script = fileURLToPath(new URL('../../test/support/open-transaction.ts', import.meta.url));
  const frozen = spawn(
    process.execPath,
    [script, brokers.join(','), `${prefix}-relay`, topicName(prefix, 'keys', 1)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => frozen.kill('SIGKILL'));
  let said = '';
  frozen.stdout.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  await until('its transaction is open', () => said.includes('open'));
  frozen.kill('SIGSTOP');

  const second = start();
  await log.append(key(1), 3, newEvents(2));
  await caughtUp(second.relay);
  frozen.kill('SIGCONT');
  frozen.stdin.write('go on\n');
  await until('it has tried', () => said.includes('committed'));
  const { committed, another } = JSON.parse(said.slice(said.indexOf('{')));
  assert.notEqual(committed, 'done');
  assert.notEqual(another, 'done');
  await log.append(key(1), 5, newEvents(1));
  await caughtUp(second.relay);
  // Reads every record that is committed: one that no relay wrote fails it.
  await check();
});

test('two relays that both believe they may work never write an event twice', { skip }, async (t) => {
  const { log, start, caughtUp, check } = await world(t);
  // Left alone they would fence each other for ever: one of them learns better in the end.
  let both = true;
  const { relay: one } = start();
  start({ ...held, hold: async () => both });
  for (let n = 0; n < 40; n++) {
    await log.append(key(n), 0, newEvents(2));
    await clock.sleep(10);
  }
  both = false;
  await caughtUp(one);
  // One that was fenced between making the topics and its first record leaves a generation without any.
  await check(one.health().generation!);
});

test('topics that were deleted are made anew and go on from where the relay stands', { skip }, async (t) => {
  const { log, start, caughtUp, prefix, brokers, read } = await world(t);
  const first = start();
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(first.relay);
  await first.stop();
  await (await kafkaTopics(t, { brokers, prefix })).deleteTopic(1, 'keys');
  const end = (await log.head()).position;

  const second = start();
  await log.append(key(1), 3, newEvents(2));
  await caughtUp(second.relay);
  const carried = [...(await read())]
    .filter(([name]) => name.startsWith('keys/'))
    .flatMap(([, records]) => records.filter(({ event }) => event !== null));
  assert.deepEqual(
    carried.map(({ event }) => event!.version),
    [4, 5],
  );
  assert.equal(carried[0]!.predecessor, end, 'a consumer that lacks what came before is told so');
});

test('a lost position topic halts it; a new generation with another number of partitions goes on', {
  skip,
}, async (t) => {
  const { log, kafka, start, caughtUp, prefix, brokers } = await world(t);
  const first = start();
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(first.relay);
  await first.stop();
  await (await kafkaTopics(t, { brokers, prefix })).deletePositionTopic();

  const second = start();
  await until('it halts', () => second.relay.health().state === 'halted');
  assert.match(second.relay.health().problem!, /position topic was lost/);
  const topics = kafka.relayTopics();
  const record = await beginGeneration({ log, topics, lease: { ...held, seize: async () => {} }, clock }, 3);
  await topics.close();
  assert.deepEqual([record.generation, record.partitions], [2, 3]);
  await log.append(key(1), 3, newEvents(2));
  await caughtUp(second.relay);
  assert.deepEqual(await kafka.feed.generation(), { generation: 2, partitions: 3 });
  const all = (await log.readAll(START, 100)).events;
  await assertTopicsAreTheLog(
    { brokers, prefix, partitions: 3, generation: 2 },
    all,
    record.bookmark.position,
  );
});

test('a broker that is killed or frozen holds the relay up; then it goes on by itself', {
  skip,
}, async (t) => {
  const server: KafkaServer = await ownKafka(t);
  const { log, start, caughtUp, check } = await world(t, { brokers: [server.brokers], prefix: 'own' });
  const { relay: one } = start();
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(one);
  await server.kill('SIGKILL');
  await log.append(key(1), 3, newEvents(3));
  await until('it says so', () => one.health().state === 'retrying');
  await server.restart();
  await caughtUp(one);
  server.signal('SIGSTOP');
  await log.append(key(1), 6, newEvents(3));
  await until('it says so', () => one.health().state === 'retrying');
  server.signal('SIGCONT');
  await caughtUp(one);
  await check();
});
