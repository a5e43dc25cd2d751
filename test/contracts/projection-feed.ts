/** The runner that Kafka feeds: joining, going back, gaps, generations, poison, rebuilds, several at once. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../infra/system-clock.ts';
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import type { RunnerDeps } from '../../projections/runner.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { streamId } from '../../schemas/envelope.ts';
import { partitionOf } from '../../schemas/topics.ts';
import { beginGeneration } from '../../workers/begin-generation.ts';
import { relay } from '../../workers/relay.ts';
import { type MemoryBroker, memoryBroker } from '../engines/memory-broker.ts';
import { memoryRelayLeases } from '../engines/memory-relay-lease.ts';
import { Fixture, type Flaws, type ProjectionStoreEngine, until } from './projection-store-fixtures.ts';

const PARTITIONS = 2;
/** One in each of the two partitions of a domain, and one of another domain. */
const K0 = streamIn('key', 0);
const K1 = streamIn('key', 1);
const O = streamId('owner', 'o');

function streamIn(category: string, partition: number) {
  for (let i = 0; ; i++) {
    const stream = streamId(category, `s${i}`);
    if (partitionOf(stream, PARTITIONS) === partition) return stream;
  }
}

class World<T> {
  readonly f: Fixture<T>;
  readonly broker: MemoryBroker;
  readonly #t: TestContext;
  readonly #leases = memoryRelayLeases(systemClock);

  constructor(t: TestContext, f: Fixture<T>) {
    this.#t = t;
    this.f = f;
    this.broker = memoryBroker({ clock: systemClock });
  }

  static async open<T>(t: TestContext, engine: ProjectionStoreEngine<T>): Promise<World<T>> {
    return new World(t, await Fixture.open(t, engine));
  }

  relay(): () => Promise<void> {
    const stopping = new AbortController();
    const lease = this.#leases('relay');
    const topics = this.broker.connect().relayTopics();
    const { signal } = stopping;
    const running = relay(
      { log: this.f.log, topics, lease, clock: systemClock },
      { signal, partitions: PARTITIONS },
    );
    const done = running.run();
    const stop = async () => {
      stopping.abort();
      await done;
    };
    this.#t.after(stop);
    return stop;
  }

  /** As another process has it. */
  deps(flaws: Flaws = {}, over: Partial<RunnerDeps<T>> = {}): RunnerDeps<T> {
    const feed = this.broker.connect().feed();
    return this.f.deps({ ...flaws, fed: true }, { store: this.f.opened.connect(), feed, ...over });
  }

  run(holder = 'runner-1', deps = this.deps()) {
    return this.f.run(deps, holder);
  }

  /** Fed, and all that is in the log applied. */
  async fed(generation = 1): Promise<void> {
    await until(async () => (await this.f.current())?.feed?.generation === generation, 'be fed');
    await this.f.reached();
  }

  async inLogMode(): Promise<void> {
    await until(async () => (await this.f.current())?.feed === null, 'go back to the log');
  }

  newGeneration(partitions: number) {
    const topics = this.broker.connect().relayTopics();
    const lease = this.#leases('operator');
    return beginGeneration({ log: this.f.log, topics, lease, clock: systemClock }, partitions);
  }

  async verified(): Promise<number> {
    const options = { holder: randomUUID(), signal: new AbortController().signal };
    return (await verifyProjection(this.deps(), options))!.differences;
  }
}

export function feedContract<T>(engine: ProjectionStoreEngine<T>): void {
  test('what is in the log is filled from there, and what follows comes from Kafka', async (t) => {
    const w = await World.open(t, engine);
    await w.f.add(K0, 1, 2);
    await w.f.add(K1, 10);
    w.relay();
    const { runner, stop } = w.run();
    await w.fed();
    await w.f.add(K0, 3);
    await w.f.add(O, 20, 21);
    await w.f.append(streamId('tenant', 'x'), 'thing.added', { value: 99 });
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 2, 3], [K1]: [10], [O]: [20, 21] });
    await until(() => runner.health().position !== null && runner.health().lagSeconds === 0, 'be live');
    const { state, partitions, holder } = runner.health();
    assert.deepEqual([state, partitions, holder], ['live', 4, null]);
    assert.equal(await w.verified(), 0);
    await stop();
    assert.notEqual((await w.f.current())!.feed, null, 'feed mode outlasts who was fed');
  });

  test('with a dead relay it stays with the log, and a projection that needs the order always does', async (t) => {
    const w = await World.open(t, engine);
    const stopRelay = w.relay();
    await until(() => w.broker.record() !== null, 'have topics');
    await stopRelay();
    await w.f.add(K0, 1);
    const { runner, stop } = w.run();
    await w.f.reached();
    await until(() => runner.health().state === 'live', 'be live');
    await w.f.add(K0, 2);
    await w.f.reached();
    assert.equal((await w.f.current())!.feed, null);
    assert.equal(runner.health().partitions, null);
    await stop();
    w.relay();
    const feed = w.broker.connect().feed();
    const { stop: stopOrdered } = w.f.run(w.f.deps({}, { feed }));
    await w.f.add(K0, 3);
    await w.f.reached();
    await until(() => w.broker.record()!.bookmark.position === w.f.log.events.at(-1)!.position, 'be relayed');
    assert.equal((await w.f.current())!.feed, null);
    await stopOrdered();
  });

  test('two share the partitions; when one is gone the other does all, and nothing is doubled', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const first = w.run('first');
    const second = w.run('second');
    await w.fed();
    for (let i = 0; i < 30; i++) await w.f.add([K0, K1, O][i % 3]!, i);
    await w.f.reached();
    const both = () =>
      (first.runner.health().partitions ?? 0) + (second.runner.health().partitions ?? 0) === 4;
    await until(both, 'share the partitions');
    await first.stop();
    for (let i = 30; i < 60; i++) await w.f.add([K0, K1, O][i % 3]!, i);
    await w.f.reached();
    const every = (r: number) => Array.from({ length: 20 }, (_, i) => i * 3 + r);
    assert.deepEqual(await w.f.values(), { [K0]: every(0), [K1]: every(1), [O]: every(2) });
    await second.stop();
  });

  test('a batch under way in a partition that has moved is fenced or counts, and never twice', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    let hold: Promise<void> | null = null;
    let entered: () => void = () => {};
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const slow = w.deps({
      onApply: async () => {
        if (hold === null) return;
        entered();
        await hold;
      },
    });
    const first = w.run('first', slow);
    await w.fed();
    let release: () => void = () => {};
    hold = new Promise<void>((resolve) => (release = resolve));
    await w.f.add(K0, 1);
    await inside;
    const second = w.run('second');
    // The broker gives partitions to the second while the first still works.
    await until(() => (w.broker.groups().at(-1)?.size ?? 0) === 2, 'join the group');
    await w.f.add(K1, 2);
    release();
    hold = null;
    await w.f.add(K0, 3);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 3], [K1]: [2] });
    await first.stop();
    await second.stop();
  });

  test('records that are gone are noticed before anything behind them is applied; the log brings them', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const before = w.run();
    await w.fed();
    await before.stop();
    await w.f.add(K0, 1, 2);
    await w.f.add(K1, 10);
    const relayed = () => w.broker.record()!.bookmark.position === w.f.log.events.at(-1)!.position;
    await until(relayed, 'be relayed');
    const partition = { domain: 'keys', partition: 0 };
    const [, , last] = w.broker.committed(1, partition).filter(({ event }) => event !== null);
    w.broker.trim(1, partition, Number(w.broker.committed(1, partition).at(-1)!.offset) + 1);
    assert.equal(last, undefined);
    const after = w.run('after');
    await w.f.add(K0, 3);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 2, 3], [K1]: [10] });
    await w.fed();
    await w.f.add(K0, 4);
    await w.f.reached();
    assert.deepEqual((await w.f.values())[K0], [1, 2, 3, 4]);
    await after.stop();
  });

  test('a topic that was deleted is noticed though nothing new happens', async (t) => {
    const w = await World.open(t, engine);
    const stopRelay = w.relay();
    const before = w.run();
    await w.fed();
    await before.stop();
    await w.f.add(K0, 1);
    await until(() => w.broker.record()!.bookmark.position === w.f.log.events.at(-1)!.position, 'be relayed');
    await stopRelay();
    for (const partition of [0, 1]) {
      const place = { domain: 'keys', partition };
      w.broker.trim(1, place, Number(w.broker.committed(1, place).at(-1)?.offset ?? 0) + 1);
    }
    const after = w.run('after');
    await w.inLogMode();
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1] });
    await after.stop();
  });

  test('a new generation is reached through the log', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const { stop } = w.run();
    await w.fed();
    await w.f.add(K0, 1);
    await w.f.add(K1, 2);
    await w.newGeneration(3);
    await w.f.add(K0, 3);
    await w.fed(2);
    await w.f.add(K1, 4);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 3], [K1]: [2, 4] });
    assert.equal((await w.f.current())!.feed!.partitions, 3);
    await stop();
  });

  test('without a feed it goes back to the log, each event once', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const { stop } = w.run();
    await w.fed();
    for (let i = 0; i < 20; i++) await w.f.add([K0, K1, O][i % 3]!, i);
    await stop();
    for (let i = 20; i < 30; i++) await w.f.add([K0, K1, O][i % 3]!, i);
    const again = w.run('again', w.deps({}, { feed: null }));
    await w.f.reached();
    assert.equal((await w.f.current())!.feed, null);
    const every = (r: number) => Array.from({ length: 10 }, (_, i) => i * 3 + r);
    assert.deepEqual(await w.f.values(), { [K0]: every(0), [K1]: every(1), [O]: every(2) });
    await again.stop();
  });

  test('marks skip what the places had covered, whatever the checkpoint', async (t) => {
    const w = await World.open(t, engine);
    await w.f.add(K0, 1, 2);
    await w.f.add(K1, 10);
    await w.f.add(K0, 3);
    await w.f.add(O, 20);
    const deps = w.deps();
    const { epoch } = await w.f.log.head();
    const revision = await w.f.store.open(deps.projection, 'serve', epoch);
    const held = await w.f.store.acquire('things', revision, 'by hand', 60_000);
    assert.equal(held.kind, 'held');
    if (held.kind !== 'held') return;
    const place = { bookmark: held.bookmark, offset: '0' };
    const k0 = { ...place, domain: 'keys', partition: 0 };
    const places = [k0, { ...k0, partition: 1 }];
    const generation = { generation: 1, partitions: PARTITIONS };
    await w.f.store.join(held.lease, held.bookmark, { ...generation, places });
    const fed = { projection: 'things', revision, generation };
    const to = { ...k0, bookmark: await w.f.at(2), offset: '2' };
    await w.f.store.advancePlaces(fed, [{ from: k0, to }], async ({ tx, tables }) =>
      engine.rows(tx, tables).put(K0, { values: [1, 2] }),
    );
    await w.f.store.leave(fed);
    const { stop } = w.run('runner', w.deps({}, { feed: null }));
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 2, 3], [K1]: [10], [O]: [20] });
    assert.equal((await w.f.current())!.marks, null);
    await stop();
  });

  test('a lost tail is noticed at a mark though the checkpoint still matches', async (t) => {
    const w = await World.open(t, engine);
    await w.f.add(K1, 10);
    await w.f.add(K0, 1, 2);
    const deps = w.deps();
    const { epoch } = await w.f.log.head();
    const revision = await w.f.store.open(deps.projection, 'serve', epoch);
    const held = await w.f.store.acquire('things', revision, 'by hand', 60_000);
    if (held.kind !== 'held') assert.fail(held.kind);
    const place = { bookmark: await w.f.at(1), offset: '0', domain: 'keys' };
    await w.f.store.advance(held.lease, held.bookmark, place.bookmark, null);
    const k0 = { ...place, partition: 0 };
    const generation = { generation: 1, partitions: PARTITIONS };
    const places = [k0, { ...place, partition: 1 }];
    await w.f.store.join(held.lease, place.bookmark, { ...generation, places });
    const fed = { projection: 'things', revision, generation };
    await w.f.store.advancePlaces(
      fed,
      [{ from: k0, to: { ...k0, bookmark: await w.f.at(3), offset: '2' } }],
      null,
    );
    await w.f.store.leave(fed);
    w.f.log.truncateTail(2);
    w.f.forgetVersions();
    await w.f.add(K0, 7, 8, 9);
    const { runner, stop } = w.run('runner', w.deps({}, { feed: null }));
    await until(() => runner.health().state === 'halted', 'halt');
    assert.deepEqual(await w.f.values(), {});
    assert.equal((await adoptEpoch(w.f.store, w.f.log, 'things')).ok, false);
    await stop();
  });

  test('poison parks its stream while others flow, and replay and discard work', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const { stop } = w.run();
    await w.fed();
    await w.f.add(K0, 1);
    await w.f.poison(K0, 2);
    await w.f.add(K1, 10);
    await w.f.add(K0, 3);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1], [K1]: [10] });
    assert.deepEqual(
      (await w.f.parked()).map((p) => [p.stream, p.firstVersion, p.events]),
      [[K0, 2, 2]],
    );
    await stop();
    const again = w.run('again');
    await w.f.add(K0, 4);
    await w.f.reached();
    assert.deepEqual((await w.f.parked())[0]!.events, 3, 'a new member knows what is parked');
    assert.equal(await w.verified(), 0);
    await w.f.discard(K0, 2);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 3, 4], [K1]: [10] });
    assert.deepEqual(await w.f.parked(), []);
    assert.notEqual((await w.f.current())!.feed, null);
    await again.stop();
  });

  test('a rebuild reads the log, swaps while events keep coming, and is fed again', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const { stop } = w.run();
    await w.fed();
    await w.f.add(K0, 1);
    await w.f.add(K1, 2);
    let writing = true;
    let n = 100;
    const writer = (async () => {
      for (; writing; n++) {
        await w.f.add(n % 2 ? K0 : K1, n);
        await systemClock.sleep(10);
      }
    })();
    const options = { holder: 'rebuild', signal: new AbortController().signal };
    const revision = await rebuildProjection(w.deps(), options);
    assert.equal(await w.verified(), 0);
    writing = false;
    await writer;
    await w.fed();
    assert.equal((await w.f.current())!.revision, revision);
    const every = (r: number) =>
      Array.from({ length: n - 100 }, (_, i) => 100 + i).filter((i) => i % 2 === r);
    assert.deepEqual(await w.f.values(), { [K0]: [1, ...every(1)], [K1]: [2, ...every(0)] });
    assert.equal(await w.verified(), 0);
    await stop();
  });

  test('a new epoch halts it until an operator adopts it', async (t) => {
    const w = await World.open(t, engine);
    w.relay();
    const { runner, stop } = w.run();
    await w.fed();
    await w.f.add(K0, 1);
    await w.f.reached();
    const epoch = w.f.log.newEpoch();
    await until(() => runner.health().state === 'halted', 'halt');
    assert.match((await w.f.current())!.halted!, /plinth projections rebuild things/);
    assert.deepEqual(await adoptEpoch(w.f.store, w.f.log, 'things'), { ok: true, revision: 1 });
    await w.f.add(K0, 2);
    await w.f.reached();
    assert.deepEqual(await w.f.values(), { [K0]: [1, 2] });
    assert.equal((await w.f.current())!.bookmark.epoch, epoch);
    await w.newGeneration(PARTITIONS);
    await w.fed(2);
    await stop();
  });

  test('a failover that lost the tail halts it: what it applied is gone', async (t) => {
    const w = await World.open(t, engine);
    const stopRelay = w.relay();
    const { runner, stop } = w.run();
    await w.fed();
    await w.f.add(K0, 1);
    await w.f.add(K1, 2);
    await w.f.reached();
    await stopRelay();
    w.f.log.truncateTail(1);
    w.f.forgetVersions();
    await w.f.add(K1, 7, 8);
    await until(() => runner.health().state === 'halted', 'halt');
    assert.deepEqual(await w.f.values(), { [K0]: [1], [K1]: [2] });
    assert.equal((await adoptEpoch(w.f.store, w.f.log, 'things')).ok, false);
    await stop();
  });
}
