/** The runner that Kafka feeds: joining, several at once, poison, rebuilds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../infra/system-clock.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import { streamId } from '../../schemas/envelope.ts';
import { K0, K1, O, World } from './projection-feed-fixtures.ts';
import { type ProjectionStoreEngine, until } from './projection-store-fixtures.ts';

export function fedRunnerContract<T>(engine: ProjectionStoreEngine<T>): void {
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
    await w.relayed();
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

  test('poison parks its stream while others flow, and replay and discard work', async (t) => {
    const { w, stop } = await World.openFed(t, engine);
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
    const { w, stop } = await World.openFed(t, engine);
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
}
