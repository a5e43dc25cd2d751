/** The runner that Kafka feeds goes back to the log, or halts: gaps, generations, no feed, lost histories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import { K0, K1, O, PARTITIONS, World } from './projection-feed-fixtures.ts';
import { type ProjectionStoreEngine, until } from './projection-store-fixtures.ts';

export function wayBackContract<T>(engine: ProjectionStoreEngine<T>): void {
  test('records that are gone are noticed before anything behind them is applied; the log brings them', async (t) => {
    const { w, stop } = await World.openFed(t, engine);
    await stop();
    await w.f.add(K0, 1, 2);
    await w.f.add(K1, 10);
    await w.relayed();
    const partition = { domain: 'keys', partition: 0 };
    w.broker.trim(1, partition, Number(w.broker.committed(1, partition).at(-1)!.offset) + 1);
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

  const losses: readonly [string, (w: World<T>) => void][] = [
    [
      'trimmed to its end',
      ({ broker }) => {
        for (const partition of [0, 1]) {
          const place = { domain: 'keys', partition };
          broker.trim(1, place, Number(broker.committed(1, place).at(-1)?.offset ?? 0) + 1);
        }
      },
    ],
    ['deleted with what nobody had read', ({ broker }) => broker.deleteTopic(1, 'keys')],
  ];
  for (const [name, lose] of losses) {
    test(`a topic that was ${name} is noticed though nothing new happens`, async (t) => {
      const { w, stop, stopRelay } = await World.openFed(t, engine);
      await stop();
      await w.f.add(K0, 1);
      await w.relayed();
      await stopRelay();
      lose(w);
      const after = w.run('after');
      await w.inLogMode();
      await w.f.reached();
      assert.deepEqual(await w.f.values(), { [K0]: [1] });
      await after.stop();
    });
  }

  test('a new generation is reached through the log', async (t) => {
    const { w, stop } = await World.openFed(t, engine);
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
    const { w, stop } = await World.openFed(t, engine);
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
    const held = await w.byHand();
    await w.markedBy(held, held.bookmark, 2, async ({ tx, tables }) =>
      engine.rows(tx, tables).put(K0, { values: [1, 2] }),
    );
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
    const held = await w.byHand();
    const from = await w.f.at(1);
    await w.f.store.advance(held.lease, held.bookmark, from, null);
    await w.markedBy(held, from, 3, null);
    w.f.log.truncateTail(2);
    w.f.forgetVersions();
    await w.f.add(K0, 7, 8, 9);
    const { runner, stop } = w.run('runner', w.deps({}, { feed: null }));
    await until(() => runner.health().state === 'halted', 'halt');
    assert.deepEqual(await w.f.values(), {});
    assert.equal((await adoptEpoch(w.f.store, w.f.log, 'things')).ok, false);
    await stop();
  });

  test('a new epoch halts it until an operator adopts it', async (t) => {
    const { w, runner, stop } = await World.openFed(t, engine);
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
    const { w, runner, stop, stopRelay } = await World.openFed(t, engine);
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
