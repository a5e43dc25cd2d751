/** Checkpoints, leases, savepoints, changes, swaps: the store by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Acquired, Fenced, type Lease, Superseded } from '../../projections/store.ts';
import { START } from '../../schemas/envelope.ts';
import {
  A,
  B,
  C,
  Fixture,
  type ProjectionStoreEngine,
  thingsProjection,
} from './projection-store-fixtures.ts';

const TTL_MS = 60_000;
const notNow = () => Promise.resolve();

export function checkpointContract<T>(engine: ProjectionStoreEngine<T>): void {
  /** A fixture with 30 events in the log, and the lease of the first revision. */
  async function held(t: Parameters<typeof Fixture.open>[0]) {
    const f = await Fixture.open(t, engine);
    await f.add(A, ...Array.from({ length: 30 }, (_, i) => i));
    const revision = await f.store.open(thingsProjection(engine), 'serve', (await f.log.head()).epoch);
    const { lease } = taken(await f.store.acquire('things', revision, 'one', TTL_MS));
    const put = (key: string) => async (advance: { tx: T; tables: (n: string) => string }) =>
      engine.rows(advance.tx, advance.tables).put(key, { values: [1] });
    return { f, lease, revision, put };
  }

  test('the same code opens the same revision, and older code is superseded', async (t) => {
    const { f, revision } = await held(t);
    const { epoch } = await f.log.head();
    const other = f.opened.connect();
    assert.equal(await other.open(thingsProjection(engine), 'serve', epoch), revision);
    assert.deepEqual((await f.current())!.bookmark, { epoch, position: START, eventId: null });
    await assert.rejects(other.open(thingsProjection(engine, { revision: 0 }), 'serve', epoch), Superseded);
  });

  test('a checkpoint moves only from where it is', async (t) => {
    const { f, lease, put } = await held(t);
    await f.store.advance(lease, await f.at(0), await f.at(1), put('x'));
    for (const wrong of [await f.at(0), { ...(await f.at(1)), eventId: null }]) {
      await assert.rejects(f.store.advance(lease, wrong, await f.at(2), put('y')), Fenced);
      await assert.rejects(f.store.advance(lease, wrong, await f.at(2), null), Fenced);
    }
    await f.store.advance(lease, await f.at(1), await f.at(3), null);
    assert.deepEqual((await f.current())!.bookmark, await f.at(3));
    assert.deepEqual(Object.keys(await f.values()), ['x']);
  });

  test('rows and checkpoint commit together or not at all', async (t) => {
    const { f, lease, put } = await held(t);
    const failing = f.store.advance(lease, await f.at(0), await f.at(1), async (advance) => {
      await put('x')(advance);
      await advance.changed([{ stream: A, position: (await f.at(1)).position }]);
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    assert.deepEqual((await f.current())!.bookmark, await f.at(0));
    assert.deepEqual(await f.values(), {});
    assert.deepEqual((await f.opened.changes('things').poll(START)).changes, []);
  });

  test('of two that advance at once the second waits, and is fenced', async (t) => {
    const { f, lease, put } = await held(t);
    let finish: () => void = () => {};
    const finishing = new Promise<void>((resolve) => (finish = resolve));
    let entered: () => void = () => {};
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const first = f.store.advance(lease, await f.at(0), await f.at(1), async (advance) => {
      entered();
      await finishing;
      await put('first')(advance);
    });
    await inside;
    let secondDone = false;
    const second = f.opened
      .connect()
      .advance(lease, await f.at(0), await f.at(2), put('second'))
      .finally(() => (secondDone = true));
    second.catch(() => {});
    // Whoever asks for the lease meanwhile is not made to wait, even its holder after a lost connection.
    assert.equal((await f.store.acquire('things', lease.revision, 'one', TTL_MS)).kind, 'busy');
    assert.equal(secondDone, false);
    finish();
    await first;
    await assert.rejects(second, Fenced);
    assert.deepEqual(Object.keys(await f.values()), ['first']);
  });

  test('a lease keeps others out until it is released or runs out', async (t) => {
    const { f, lease, revision, put } = await held(t);
    const other = f.opened.connect();
    assert.deepEqual(await other.acquire('things', revision, 'two', TTL_MS), { kind: 'busy', holder: 'one' });
    await f.opened.elapse(TTL_MS - 10_000);
    assert.equal(await f.store.renew(lease), true);
    await f.opened.elapse(TTL_MS - 10_000);
    assert.equal((await other.acquire('things', revision, 'two', TTL_MS)).kind, 'busy');
    await f.store.advance(lease, await f.at(0), await f.at(1), null);
    await f.opened.elapse(TTL_MS - 10_000);
    assert.equal((await other.acquire('things', revision, 'two', TTL_MS)).kind, 'busy');
    await f.opened.elapse(10_001);
    const { bookmark } = taken(await other.acquire('things', revision, 'two', TTL_MS));
    assert.deepEqual(bookmark, await f.at(1));
    assert.equal(await f.store.renew(lease), false);
    await assert.rejects(f.store.advance(lease, await f.at(1), await f.at(2), put('late')), Fenced);
    await f.store.release(lease);
    assert.equal((await f.current())!.holder, 'two', 'only the holder releases');
    await other.release({ ...lease, holder: 'two' });
    assert.equal((await f.store.acquire('things', revision, 'one', TTL_MS)).kind, 'held');
  });

  test('a savepoint undoes what failed and keeps the rest, one inside another', async (t) => {
    const { f, lease, put } = await held(t);
    await f.store.advance(lease, await f.at(0), await f.at(1), async (advance) => {
      await put('kept')(advance);
      await assert.rejects(
        advance.savepoint(async () => {
          await put('undone')(advance);
          await advance.savepoint(() => put('undone too')(advance));
          throw new Error('inside');
        }),
        /inside/,
      );
      await advance.savepoint(() => put('also kept')(advance));
    });
    assert.deepEqual(Object.keys(await f.values()), ['also kept', 'kept']);
  });

  test('changes are polled in log order, with their stamp, and pruned to the stated number', async (t) => {
    const { f, lease } = await held(t);
    const source = f.opened.changes('things');
    const change = async (n: number) => ({ stream: n % 2 ? A : B, position: (await f.at(n)).position });
    for (let n = 0; n < 8; n += 2) {
      await f.store.advance(lease, await f.at(n), await f.at(n + 2), async (advance) => {
        await advance.changed([await change(n + 1), await change(n + 2)]);
      });
    }
    const first = await source.poll(START);
    assert.deepEqual(first.changes, await Promise.all([1, 2, 3, 4, 5].map(change)));
    assert.equal(first.complete, false);
    assert.deepEqual(first.stamp, { ...(await f.at(8)), revision: lease.revision });
    const rest = await source.poll(first.changes.at(-1)!.position);
    assert.deepEqual(rest.changes, await Promise.all([6, 7, 8].map(change)));
    assert.deepEqual([rest.complete, rest.prunedThrough, rest.halted], [true, START, null]);
    for (let n = 8; n < 30; n += 1) {
      await f.store.advance(lease, await f.at(n), await f.at(n + 1), async (advance) => {
        await advance.changed([await change(n + 1)]);
      });
    }
    const pruned = await source.poll(START);
    assert.equal(pruned.prunedThrough, (await f.at(20)).position);
    assert.deepEqual(pruned.changes[0], await change(21));
  });

  test('pruned-through never goes back, whatever is deleted below a batch that pruned instead of telling', async (t) => {
    const { f, lease } = await held(t);
    const change = async (n: number) => ({ stream: n % 2 ? A : B, position: (await f.at(n)).position });
    const tell = async (n: number) =>
      f.store.advance(lease, await f.at(n), await f.at(n + 1), async (advance) =>
        advance.changed([await change(n + 1)]),
      );
    for (let n = 0; n < 8; n += 1) await tell(n);
    await f.store.advance(lease, await f.at(8), await f.at(9), async (advance) => advance.prunedHere());
    for (let n = 9; n < 16; n += 1) await tell(n);
    const poll = await f.opened.changes('things').poll((await f.at(12)).position);
    assert.ok(poll.prunedThrough >= (await f.at(9)).position, `it went back to ${poll.prunedThrough}`);
  });

  test('a halt is seen by every poll and fences the runner; only adoption at its place ends it', async (t) => {
    const { f, lease, revision } = await held(t);
    await f.store.advance(lease, await f.at(0), await f.at(1), null);
    await f.store.halt('things', revision, await f.at(0), 'from an older place');
    assert.equal((await f.opened.changes('things').poll(START)).halted, null);
    await f.store.halt('things', revision, await f.at(1), 'the log was replaced');
    assert.equal((await f.opened.changes('things').poll(START)).halted, 'the log was replaced');
    await assert.rejects(f.store.advance(lease, await f.at(1), await f.at(2), null), Fenced);
    assert.equal(await f.store.renew(lease), false);
    assert.deepEqual(await f.store.acquire('things', revision, 'one', TTL_MS), {
      kind: 'halted',
      reason: 'the log was replaced',
    });
    const epoch = f.log.newEpoch();
    assert.equal(
      await f.store.adopt(
        'things',
        revision,
        { ...(await f.at(0)), epoch: lease.holder as typeof epoch },
        epoch,
      ),
      false,
    );
    const { bookmark } = (await f.current())!;
    assert.equal(await f.store.adopt('things', revision, bookmark, epoch), true);
    const after = await f.opened.changes('things').poll(START);
    assert.deepEqual([after.halted, after.stamp.epoch], [null, epoch]);
  });

  test('a swap needs the new revision to have caught up, and retires the old one at once', async (t) => {
    const { f, lease, put } = await held(t);
    const { epoch } = await f.log.head();
    await f.store.advance(lease, await f.at(0), await f.at(5), put('old'));
    const revision = await f.store.open(thingsProjection(engine), 'rebuild', epoch);
    assert.equal(revision, lease.revision + 1);
    const built = taken(await f.store.acquire('things', revision, 'builder', TTL_MS)).lease;
    await f.store.advance(built, await f.at(0), await f.at(4), async (advance) => {
      await put('new')(advance);
      await advance.changed([{ stream: C, position: (await f.at(4)).position }]);
    });
    assert.equal(await f.store.promote(built, notNow), 'behind');
    assert.deepEqual(await f.values(), { old: [1] });
    await f.store.advance(built, await f.at(4), await f.at(6), null);
    assert.equal(await f.store.promote(built, notNow), 'promoted');
    assert.equal(await f.store.promote(built, notNow), 'promoted');
    const poll = await f.opened.changes('things').poll(START);
    assert.deepEqual([poll.stamp.revision, poll.prunedThrough], [revision, (await f.at(6)).position]);
    assert.deepEqual(poll.changes, [], 'what a revision did before it was current is not told');
    assert.deepEqual(await f.values(), { new: [1] });
    await assert.rejects(f.store.advance(lease, await f.at(5), await f.at(7), null), Fenced);
    assert.equal((await f.store.acquire('things', lease.revision, 'one', TTL_MS)).kind, 'retired');
    assert.deepEqual(await f.values(lease.revision), { old: [1] }, 'kept until it is dropped');
    assert.equal(await f.store.drop('things', revision), false, 'never the current one');
    assert.equal(await f.store.drop('things', lease.revision), true);
    assert.deepEqual(
      (await f.store.revisions('things')).map((r) => r.revision),
      [revision],
    );
  });
}

export function taken(acquired: Acquired): Acquired & { kind: 'held'; lease: Lease } {
  assert.equal(acquired.kind, 'held');
  return acquired as Acquired & { kind: 'held' };
}
