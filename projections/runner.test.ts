import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamId } from '../schemas/envelope.ts';
import { newEvent } from '../test/contracts/event-log-fixtures.ts';
import { memoryEventLog } from '../test/engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../test/engines/memory-projection-store.ts';
import type { MemoryTx } from '../test/engines/memory-transaction.ts';
import { plainCodec } from '../test/simulation/plain-codec.ts';
import { fakeClock, settled } from '../test/support/fake-clock.ts';
import type { Projection } from './projection.ts';
import { projectionRunner, STANDBY_POLL_MS } from './runner.ts';

const counts: Projection<MemoryTx> = {
  name: 'counts',
  revision: 1,
  order: 'log',
  types: new Set(['thing.happened']),
  tables: [{ name: 'counts', key: ['key'] }],
  reads: 'public',
  publishesChanges: false,
  create: () => Promise.resolve(),
  async apply(tx, tables, events) {
    const row = (await tx.get(tables('counts'), 'all')) as { n: number } | null;
    await tx.put(tables('counts'), 'all', { n: (row?.n ?? 0) + events.length });
  },
};

/** Two runners over one database, on a clock that stands still until it is moved. */
function twoRunners() {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const database = memoryProjectionDatabase({ clock });
  const stop = new AbortController();
  const start = (holder: string) => {
    const store = database.connect();
    const runner = projectionRunner(
      { projection: counts, store, log, decoder: plainCodec, clock, feed: null },
      { holder },
    );
    const own = new AbortController();
    const done = runner.run(AbortSignal.any([stop.signal, own.signal]));
    return { runner, store, stop: own, done };
  };
  let version = 0;
  const append = async () => {
    await log.append(streamId('thing', 'a'), version++, [newEvent({ timeMs: clock.now() })]);
  };
  const counted = () => database.current('counts')?.data.tables.get('counts')?.get('all')?.n ?? 0;
  return { clock, stop, start, append, counted };
}

test('a standby takes over within two seconds of a crash, whenever that is', async () => {
  for (let crashAtMs = 0; crashAtMs <= 1500; crashAtMs += 125) {
    const { clock, stop, start, append, counted } = twoRunners();
    const first = start('first');
    await clock.advance(100);
    const second = start('second');
    await append();
    await clock.advance(2000 + crashAtMs);
    assert.equal(counted(), 1);
    assert.deepEqual([first.runner.health().state, second.runner.health().state], ['live', 'standby']);
    assert.equal(second.runner.health().holder, 'first');
    first.store.crash();
    await append();
    await clock.advance(2000);
    assert.equal(counted(), 2, `crashed ${crashAtMs} ms in`);
    assert.equal(second.runner.health().state, 'live');
    stop.abort();
    await clock.advance(10_000);
    await Promise.all([first.done, second.done]);
  }
});

test('an idle runner keeps its lease for as long as it lives', async () => {
  const { clock, stop, start } = twoRunners();
  const first = start('first');
  await clock.advance(100);
  const second = start('second');
  for (let s = 0; s < 60; s++) {
    await clock.advance(1000);
    assert.equal(second.runner.health().state, 'standby');
  }
  stop.abort();
  await settled();
  await Promise.all([first.done, second.done]);
});

test('a runner that stops hands over at once', async () => {
  const { clock, stop, start, append, counted } = twoRunners();
  const first = start('first');
  await clock.advance(100);
  const second = start('second');
  await clock.advance(1000);
  first.stop.abort();
  await append();
  await clock.advance(STANDBY_POLL_MS);
  await first.done;
  assert.equal(first.runner.health().state, 'stopped');
  assert.deepEqual([second.runner.health().state, second.runner.health().lagSeconds], ['live', 0]);
  assert.equal(counted(), 1);
  stop.abort();
  await clock.advance(10_000);
  await second.done;
});
