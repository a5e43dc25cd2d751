import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamId } from '../schemas/envelope.ts';
import { newEvent } from '../test/contracts/event-log-fixtures.ts';
import { memoryBroker } from '../test/engines/memory-broker.ts';
import { memoryEventLog } from '../test/engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../test/engines/memory-projection-store.ts';
import { memoryRelayLeases } from '../test/engines/memory-relay-lease.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { counts } from '../test/support/counting-projection.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import { relay } from '../workers/relay.ts';
import { FORSAKEN_MS } from './fed-elsewhere.ts';
import { projectionRunner } from './runner.ts';

const SECOND_MS = 1_000;

/** A relay that works, and runners with Kafka and without, on a clock that stands still until it is moved. */
function world(t: { after(clean: () => Promise<void>): void }) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const database = memoryProjectionDatabase({ clock });
  const broker = memoryBroker({ clock });
  const start = (run: (signal: AbortSignal) => Promise<void>) => {
    const stopping = new AbortController();
    let over = false;
    const running = run(stopping.signal).finally(() => {
      over = true;
    });
    const stop = async () => {
      stopping.abort();
      while (!over) await clock.advance(100);
      await running;
    };
    t.after(stop);
    return stop;
  };
  const topics = broker.connect().relayTopics();
  const deps = { log, topics, lease: memoryRelayLeases(clock)('relay'), clock };
  start((signal) => relay(deps, { signal, partitions: 3 }).run());
  const store = database.connect();
  const runner = (holder: string, withKafka: boolean) => {
    const feed = withKafka ? broker.connect().feed() : null;
    const self = projectionRunner(
      { projection: counts, store: database.connect(), log, decoder: plainCodec, clock, feed },
      { holder },
    );
    return { health: () => self.health(), stop: start((signal) => self.run(signal)) };
  };
  let version = 0;
  const append = () => log.append(streamId('key', 'a'), version++, [newEvent({ timeMs: clock.now() })]);
  return {
    clock,
    runner,
    append,
    /** A failover: the last event is lost, and another has its position. */
    replaceLast() {
      log.truncateTail(1);
      version -= 1;
      return append();
    },
    halted: () => database.current('counts')?.halted ?? null,
    counted: () => database.current('counts')?.data.tables.get('counts')?.get('key-a')?.n ?? 0,
    isFed: async () => (await store.revisions('counts')).some(({ feed }) => feed !== null),
  };
}

test('whoever has no Kafka leaves it to those who have, says so, and takes it back when nobody feeds it', async (t) => {
  const { clock, runner, append, counted, isFed } = world(t);
  const member = runner('member', true);
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
  const without = runner('without', false);
  let appended = 1;
  for (let s = 0; s < 120; s++) {
    // Busy, then quiet for longer than it takes to be forsaken.
    if (s % 40 < 20) {
      await append();
      appended += 1;
    }
    await clock.advance(SECOND_MS);
    assert.ok(await isFed(), `taken back after ${s} s`);
    assert.equal(counted(), appended);
  }
  assert.equal(without.health().state, 'standby');
  assert.match(without.health().problem!, /set KAFKA_BROKERS in all or in none/);

  await member.stop();
  await clock.advance(60 * SECOND_MS);
  assert.ok(await isFed(), 'nothing waits');
  await append();
  await clock.advance(FORSAKEN_MS + 3 * SECOND_MS);
  assert.ok(!(await isFed()));
  assert.equal(counted(), appended + 1);
  assert.deepEqual([without.health().state, without.health().problem], ['live', null]);

  // It holds the lease now: who comes with Kafka stands by, and nothing goes to and fro.
  const late = runner('late', true);
  for (let s = 0; s < 60; s++) {
    await append();
    await clock.advance(SECOND_MS);
    assert.ok(!(await isFed()));
  }
  assert.equal(late.health().state, 'standby');
  await without.stop();
  await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
});

test('whoever has no Kafka notices that the log has lost what was applied, though nobody feeds it', async (t) => {
  const { clock, runner, append, replaceLast, halted, isFed } = world(t);
  const member = runner('member', true);
  for (let n = 0; n < 3; n++) await append();
  await clock.advance(10 * SECOND_MS);
  assert.ok(await isFed());
  await member.stop();
  runner('without', false);
  await clock.advance(10 * SECOND_MS);
  assert.equal(halted(), null);
  await replaceLast();
  await clock.advance(FORSAKEN_MS + 5 * SECOND_MS);
  assert.match(halted()!, /was replaced/);
});
