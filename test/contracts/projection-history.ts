/** Rebuild, verification, and a log that is replaced under a projection. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import { rebuildProjection } from '../../projections/rebuild.ts';
import { RebuildRunning } from '../../projections/store.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { type Epoch, START } from '../../schemas/envelope.ts';
import { A, B, C, Fixture, type ProjectionStoreEngine, until } from './projection-store-fixtures.ts';

export function historyContract<T>(engine: ProjectionStoreEngine<T>): void {
  const options = () => ({ holder: `rebuild ${randomUUID()}`, signal: new AbortController().signal });

  async function withDiscards(t: Parameters<typeof Fixture.open>[0]) {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    await f.poison(A, 2);
    await f.add(A, 3);
    await f.discard(A, 2);
    await f.add(B, 4);
    await f.poison(C, 5);
    await f.add(C, 6);
    await f.replay(C);
    return f;
  }

  test('a rebuild meets the same discards and equals the live tables column for column', async (t) => {
    const f = await withDiscards(t);
    const running = f.run();
    await f.reached();
    const before = await f.values();
    assert.deepEqual(before, { [A]: [1, 3], [B]: [4] });
    const verification = await verifyProjection(f.deps(), options());
    assert.deepEqual(verification, {
      revision: 1,
      position: (await f.log.head()).position,
      rows: 2,
      differences: 0,
      first: [],
    });
    assert.deepEqual(
      (await f.store.revisions()).map((r) => r.state),
      ['current'],
      'leaves nothing behind',
    );

    const progress: number[] = [];
    const revision = await rebuildProjection(f.deps(), {
      ...options(),
      progress: (now) => progress.push(now.events),
    });
    assert.equal((await f.current())!.revision, revision);
    assert.equal(progress.at(-1), f.log.events.length);
    assert.deepEqual(await f.values(), before);
    assert.deepEqual(
      (await f.parked()).map((p) => [p.stream, p.firstVersion, p.events]),
      [[C, 1, 2]],
    );
    await f.add(B, 7);
    await f.reached();
    assert.deepEqual((await f.values())[B], [4, 7], 'the runner goes on with the new revision');
    await running.stop();
  });

  test('a verification names rows and columns that the log does not explain', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    await f.add(B, 2);
    await f.add(C, 3);
    await f.catchUp();
    const held = await f.store.acquire('things', 1, 'vandal', 1000);
    assert.equal(held.kind, 'held');
    if (held.kind !== 'held') return;
    await f.append(A, 'other.thing', {});
    await f.store.advance(held.lease, held.bookmark, await f.at(4), async ({ tx, tables }) => {
      await engine.rows(tx, tables).put(B, { values: [22] });
      await engine.rows(tx, tables).put('thing-x', { values: [1] });
    });
    await f.store.release(held.lease);
    const verification = (await verifyProjection(f.deps(), options()))!;
    assert.equal(verification.differences, 2);
    assert.deepEqual(
      verification.first.map(({ key, kind }) => [JSON.parse(key), kind]),
      [
        [[B], 'columns'],
        [['thing-x'], 'extra'],
      ],
    );
    assert.deepEqual((await verifyProjection(f.deps({ fixed: true }), options()))!.rows, 4);
  });

  test('newer code fills its tables beside and swaps them in by itself', async (t) => {
    const f = await withDiscards(t);
    await f.catchUp();
    const newer = f.run(f.deps({ revision: 2, fixed: true }), 'newer');
    await until(async () => (await f.current())!.codeRevision === 2, 'swap');
    await f.add(B, 8);
    await f.reached();
    assert.deepEqual(await f.values(), { [A]: [1, 2, 3], [B]: [4, 8], [C]: [5, 6] });
    await newer.stop();
    const older = f.run(f.deps(), 'older');
    await until(() => older.runner.health().state === 'paused', 'stand aside');
    await older.stop();
  });

  test('one rebuild at a time; an abandoned one is dropped by the next', async (t) => {
    const f = await withDiscards(t);
    await f.catchUp();
    const { epoch } = await f.log.head();
    const { projection } = f.deps();
    const abandoned = await f.store.open(projection, 'rebuild', epoch);
    await f.store.acquire('things', abandoned, 'gone', 60_000);
    await assert.rejects(rebuildProjection(f.deps(), options()), RebuildRunning);
    await f.opened.elapse(60_001);
    const revision = await rebuildProjection(f.deps(), options());
    assert.deepEqual(
      (await f.store.revisions('things')).map((r) => [r.revision, r.state]),
      [
        [1, 'old'],
        [revision, 'current'],
      ],
    );
  });

  test('a rebuild swaps while events keep coming', async (t) => {
    const f = await withDiscards(t);
    const running = f.run();
    await f.reached();
    let writing = true;
    const writer = (async () => {
      for (let i = 100; writing; i++) {
        await f.add(B, i);
        await delay(15);
      }
    })();
    const revision = await rebuildProjection(f.deps(), options());
    writing = false;
    await writer;
    await f.reached();
    assert.equal((await f.current())!.revision, revision);
    assert.equal((await verifyProjection(f.deps(), options()))!.differences, 0);
    await running.stop();
  });

  test('a new epoch halts the projection until an operator adopts it', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    const running = f.run();
    await f.reached();
    const epoch = f.log.newEpoch();
    await until(() => running.runner.health().state === 'halted', 'halt');
    const poll = await f.opened.changes('things').poll(START);
    assert.match(poll.halted!, /plinth projections rebuild things/);
    assert.equal(running.runner.health().problem, poll.halted);
    assert.deepEqual(await adoptEpoch(f.store, f.log, 'things'), { ok: true, revision: 1 });
    await f.add(A, 2);
    await f.reached();
    assert.deepEqual(await f.values(), { [A]: [1, 2] });
    assert.equal((await f.current())!.bookmark.epoch, epoch);
    await running.stop();
  });

  test('a failover that lost the tail and reuses its positions is never applied, only rebuilt', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1, 2, 3);
    const running = f.run();
    await f.reached();
    f.log.truncateTail(2);
    f.forgetVersions();
    await f.add(B, 7, 8, 9);
    await until(() => running.runner.health().state === 'halted', 'halt');
    assert.deepEqual(await f.values(), { [A]: [1, 2, 3] }, 'nothing of the other history was applied');
    const adopted = await adoptEpoch(f.store, f.log, 'things');
    assert.equal(adopted.ok, false);
    f.log.newEpoch();
    const revision = await rebuildProjection(f.deps(), options());
    assert.equal((await f.current())!.revision, revision);
    assert.equal((await f.opened.changes('things').poll(START)).halted, null);
    await f.reached();
    assert.deepEqual(await f.values(), { [A]: [1], [B]: [7, 8, 9] });
    await f.add(B, 10);
    await f.reached();
    await running.stop();
  });

  test('a position past the end of the log halts at the start', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1, 2);
    await f.catchUp();
    f.log.truncateTail(1);
    const running = f.run();
    await until(() => running.runner.health().state === 'halted', 'halt');
    await running.stop();
    assert.notEqual((await f.current())!.bookmark.epoch, '' as Epoch);
  });
}
