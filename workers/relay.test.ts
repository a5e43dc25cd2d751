import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../infra/system-clock.ts';
import { type Position, START, type StreamId, streamId } from '../schemas/envelope.ts';
import { partitionOf, type Relayed, topicDomains } from '../schemas/topics.ts';
import { newEvent, newEvents } from '../test/contracts/event-log-fixtures.ts';
import { type MemoryBroker, memoryBroker } from '../test/engines/memory-broker.ts';
import { type MemoryEventLog, memoryEventLog } from '../test/engines/memory-event-log.ts';
import { until } from '../test/support/platform-process.ts';
import { beginGeneration } from './begin-generation.ts';
import { type Relay, relay } from './relay.ts';
import type { RelayLease } from './relay-lease.ts';

const PARTITIONS = 3;
const clock = systemClock;
/** Longer than a relay that was fenced waits before it takes over again. */
const SLOW_TAKE_OVER_MS = 600;

function world() {
  let holder: number | null = null;
  let relays = 0;
  const log = memoryEventLog({ clock });
  const broker = memoryBroker({ clock });
  /** `hold` answers as the test wants; by default whoever asks first has it. */
  const leaseOf = (self: number, hold?: () => boolean): RelayLease => ({
    async hold() {
      if (hold) return hold();
      holder ??= self;
      return holder === self;
    },
    async seize() {
      holder = self;
    },
    async release() {
      if (holder === self) holder = null;
    },
  });
  const began: number[] = [];
  const start = (t: TestContext, hold?: () => boolean) => {
    const self = ++relays;
    const stop = new AbortController();
    const lease = leaseOf(self, hold);
    const topics = broker.connect().relayTopics();
    const started: Relay = relay(
      { log, topics, lease, clock },
      { signal: stop.signal, partitions: PARTITIONS, began: (generation) => began.push(generation) },
    );
    const running = started.run();
    const end = async () => {
      stop.abort();
      await running;
    };
    t.after(end);
    return { relay: started, stop: end };
  };
  /** What an operator does, by topics of its own unless given. */
  const restart = (topics = broker.connect().relayTopics()) =>
    beginGeneration({ log, topics, lease: leaseOf(++relays), clock }, PARTITIONS);
  return { log, broker, start, restart, began };
}

const key = (n: number): StreamId => streamId('key', `key_${n}`);

function partitionsOf(broker: MemoryBroker, generation = 1): readonly (readonly Relayed[])[] {
  return Object.keys(topicDomains).flatMap((domain) =>
    Array.from({ length: PARTITIONS }, (_, partition) => broker.committed(generation, { domain, partition })),
  );
}

/** Each event once, in its partition, in order; each predecessor right; every partition at the log's end. */
function assertRelayed(broker: MemoryBroker, log: MemoryEventLog, generation = 1, begin: Position = START) {
  const seen: string[] = [];
  for (const [index, records] of partitionsOf(broker, generation).entries()) {
    let last: Position = begin;
    for (const { bookmark, predecessor, event } of records) {
      assert.equal(predecessor, last);
      assert.ok(bookmark.position > last);
      if (event) {
        assert.equal(event.position, bookmark.position);
        assert.equal(partitionOf(event.stream, PARTITIONS), index % PARTITIONS);
        seen.push(event.id);
      }
      last = bookmark.position;
    }
    if (log.events.length > 0 && begin === START) assert.equal(last, log.events.at(-1)!.position);
  }
  const expected = log.events.filter((event) => event.position > begin).map((event) => event.id);
  assert.deepEqual(seen.sort(), expected.sort());
}

const caughtUp = (broker: MemoryBroker, log: MemoryEventLog) =>
  until('every partition is at the end of the log', () => {
    const record = broker.record();
    const end = log.events.at(-1)?.position ?? START;
    return (
      record?.bookmark.position === end &&
      Object.values(record.last)
        .flat()
        .every((at) => at === end)
    );
  });

test('every event reaches its partition once, in order, and every partition gets watermarks', async (t) => {
  const { log, broker, start } = world();
  await log.append(key(1), 0, newEvents(3));
  const { relay: one } = start(t);
  for (let n = 2; n < 30; n++) await log.append(key(n), 'any', newEvents(1 + (n % 3)));
  await caughtUp(broker, log);
  assertRelayed(broker, log);
  await until('it is live', () => one.health().state === 'live');
  assert.equal(one.health().lagSeconds, 0);
  assert.equal(one.health().events, log.events.length);
});

test('it tells that it begins where no topic holds anything although the log does, once, and of an empty log nothing', async (t) => {
  for (const events of [0, 2]) {
    const { log, broker, start, began } = world();
    if (events > 0) await log.append(key(1), 0, newEvents(events));
    const first = start(t);
    await until('the record is there', () => broker.record() !== null);
    await until('it is live', () => first.relay.health().state === 'live');
    await first.stop();
    const second = start(t);
    await until('the second works', () => second.relay.health().state === 'live');
    assert.deepEqual(began, events > 0 ? [1] : []);
  }
});

test('an empty log has its topics made, so that consumers may join', async (t) => {
  const { broker, start } = world();
  start(t);
  await until('the record is there', () => broker.record() !== null);
  assert.equal(broker.topics().length, Object.keys(topicDomains).length);
  assert.equal(broker.record()!.bookmark.position, START);
});

test('a second relay stands by, and takes over when the first is gone', async (t) => {
  const { log, broker, start } = world();
  const first = start(t);
  await until('the first works', () => first.relay.health().state === 'live');
  const second = start(t);
  await until('the second stands by', () => second.relay.health().state === 'standby');
  await log.append(key(1), 0, newEvents(2));
  await caughtUp(broker, log);
  await first.stop();
  await log.append(key(1), 2, newEvents(2));
  await until('the second works', () => second.relay.health().state === 'live');
  await caughtUp(broker, log);
  assertRelayed(broker, log);
});

test('two relays that both think they may work never write the same event twice', async (t) => {
  const { log, broker, start } = world();
  let both = true;
  start(t, () => true);
  start(t, () => both);
  for (let n = 0; n < 40; n++) {
    await log.append(key(n), 0, newEvents(1));
    await clock.sleep(5);
  }
  both = false;
  await caughtUp(broker, log);
  assertRelayed(broker, log);
});

test('a commit whose answer is lost is not sent again', async (t) => {
  const { log, broker, start } = world();
  const { relay: one } = start(t);
  await until('it works', () => one.health().state === 'live');
  broker.loseCommits(3);
  for (let n = 0; n < 10; n++) {
    await log.append(key(n), 0, newEvents(2));
    await clock.sleep(20);
  }
  await caughtUp(broker, log);
  assertRelayed(broker, log);
});

test('stopped in a steady stream, it carries first what it has read', async (t) => {
  const { log, broker, start } = world();
  const { relay: one, stop } = start(t);
  await log.append(key(1), 0, newEvents(1));
  await caughtUp(broker, log);
  // Right behind a round of watermarks: it waits for the next.
  await log.append(key(2), 0, newEvents(1));
  while (one.health().lagSeconds === 0) await turn();
  await stop();
  // A broker says that a transaction is committed before all can see it.
  await caughtUp(broker, log);
  assertRelayed(broker, log);
});

test('it halts where its position is lost, and an operator begins a new generation', async (t) => {
  const { log, broker, start, restart } = world();
  const first = start(t);
  await log.append(key(1), 0, newEvents(2));
  await caughtUp(broker, log);
  await first.stop();
  broker.deletePositionTopic();

  const { relay: second } = start(t);
  await until('it halts', () => second.health().state === 'halted');
  assert.match(second.health().problem!, /position topic was lost.*plinth relay restart/);

  const begin = log.events.at(-1)!.position;
  const record = await restart();
  assert.equal(record.generation, 2);
  await log.append(key(1), 2, newEvents(2));
  await until('it goes on by itself', () => second.health().state === 'live');
  await caughtUp(broker, log);
  assertRelayed(broker, log, 2, begin);
});

test('an operator whom relays fence wastes no generation', async () => {
  const { broker, restart } = world();
  const [topics, relays] = [broker.connect().relayTopics(), broker.connect().relayTopics()];
  let fencings = 3;
  const fenced = {
    ...topics,
    async commit(...what: Parameters<typeof topics.commit>) {
      if (fencings-- > 0) await relays.takeOver();
      await topics.commit(...what);
    },
  };
  assert.equal((await restart(fenced)).generation, 1);
  assert.equal((await restart(topics)).generation, 2);
});

test('a relay that works stands by while an operator begins a generation, however long that takes', async (t) => {
  const { log, broker, start, restart } = world();
  const { relay: working } = start(t);
  await log.append(key(1), 0, newEvents(2));
  await caughtUp(broker, log);
  const topics = broker.connect().relayTopics();
  const slow = {
    ...topics,
    async takeOver() {
      const footing = await topics.takeOver();
      // Whoever fences the operator in between does so again and again.
      await until('it stands by', () => working.health().state === 'standby');
      await clock.sleep(SLOW_TAKE_OVER_MS);
      return footing;
    },
  };
  assert.equal((await restart(slow)).generation, 2);
  await log.append(key(1), 2, newEvents(1));
  await until('it goes on there', () => working.health().generation === 2);
  await until('it is live', () => working.health().state === 'live');
});

test('it halts where the log lost its tail, and relays nothing of what took its place', async (t) => {
  const { log, broker, start } = world();
  const { relay: one } = start(t);
  await log.append(key(1), 0, newEvents(3));
  await caughtUp(broker, log);
  log.truncateTail(1);
  await log.append(key(2), 0, newEvents(2));
  await until('it halts', () => one.health().state === 'halted');
  assert.match(one.health().problem!, /The log under the relay was replaced: .*plinth log restored/);
  assert.equal(broker.record()!.bookmark.position.slice(-1), '3');
});

test('it halts at a stream that it has no topic for, behind all that came before', async (t) => {
  const { log, broker, start } = world();
  const { relay: one } = start(t);
  await log.append(key(1), 0, newEvents(2));
  await log.append(streamId('novelty', '1'), 0, [newEvent()]);
  await log.append(key(1), 2, newEvents(1));
  await until('it halts', () => one.health().state === 'halted');
  assert.match(one.health().problem!, /novelty-1.*Upgrade the relay/);
  assert.equal(broker.record()!.bookmark.position.slice(-1), '2');
});
