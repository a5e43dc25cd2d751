/** Feed mode of the store: places instead of a checkpoint, and the marks that they leave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Place, Places } from '../../projections/places.ts';
import { type Advance, type FedRevision, Fenced } from '../../projections/store.ts';
import type { Epoch } from '../../schemas/envelope.ts';
import { taken } from './projection-store-checkpoints.ts';
import {
  A,
  B,
  C,
  Fixture,
  type ProjectionStoreEngine,
  thingsProjection,
  until,
} from './projection-store-fixtures.ts';

const TTL_MS = 60_000;
const notNow = () => Promise.resolve();

export function placesContract<T>(engine: ProjectionStoreEngine<T>): void {
  /** At event 2 of 30, with the lease; places for two partitions of one domain and one of another. */
  async function held(t: Parameters<typeof Fixture.open>[0]) {
    const f = await Fixture.open(t, engine);
    await f.add(A, ...Array.from({ length: 30 }, (_, i) => i));
    const revision = await f.store.open(thingsProjection(engine), 'serve', (await f.log.head()).epoch);
    const { lease, marks } = taken(await f.store.acquire('things', revision, 'one', TTL_MS));
    assert.equal(marks, null);
    await f.store.advance(lease, await f.at(0), await f.at(2), null);
    const placesAt = async (n: number): Promise<Places> => {
      const bookmark = await f.at(n);
      const place = (domain: string, partition: number) => ({ domain, partition, bookmark, offset: '7' });
      const places = [place('keys', 0), place('keys', 1), place('owners', 0)];
      return { generation: 3, partitions: 2, places };
    };
    const fed: FedRevision = { projection: 'things', revision, generation: { generation: 3, partitions: 2 } };
    const put = (key: string) => async (advance: Advance<T>) =>
      engine.rows(advance.tx, advance.tables).put(key, { values: [1] });
    return { f, lease, revision, placesAt, fed, put };
  }
  async function joined(t: Parameters<typeof Fixture.open>[0]) {
    const one = await held(t);
    const { f, lease, placesAt, fed } = one;
    const start = await placesAt(2);
    await f.store.join(lease, await f.at(2), start);
    const [k0, k1, o0] = start.places as [Place, Place, Place];
    const to = async (from: Place, n: number): Promise<Place> => ({
      ...from,
      bookmark: await f.at(n),
      offset: String(Number(from.offset) + 5),
    });
    const move = async (
      from: Place,
      n: number,
      work: ((advance: Advance<T>) => Promise<void>) | null = null,
    ) => {
      const moved = await to(from, n);
      await f.store.advancePlaces(fed, [{ from, to: moved }], work);
      return moved;
    };
    return { ...one, start, k0, k1, o0, to, move };
  }

  test('joining needs the lease and the checkpoint where it was thought to be, and ends the lease', async (t) => {
    const { f, lease, placesAt, revision, fed } = await held(t);
    const start = await placesAt(2);
    await assert.rejects(f.store.join(lease, await f.at(1), start), Fenced);
    await assert.rejects(f.store.join({ ...lease, holder: 'two' }, await f.at(2), start), Fenced);
    assert.equal(await f.store.places('things', revision), null);
    await f.store.join(lease, await f.at(2), start);
    assert.deepEqual(await f.store.places('things', revision), start);
    assert.deepEqual(await f.store.acquire('things', revision, 'two', TTL_MS), {
      kind: 'fed',
      state: 'current',
      ...fed,
    });
    assert.equal(await f.store.renew(lease), false);
    await assert.rejects(f.store.advance(lease, await f.at(2), await f.at(3), null), Fenced);
    await assert.rejects(f.store.join(lease, await f.at(2), start), Fenced);
    const { holder, feed, marks } = (await f.current())!;
    assert.deepEqual([holder, feed, marks], [null, fed.generation, null]);
  });

  test('a place moves only from where it is, with its rows or not at all', async (t) => {
    const { f, k0, k1, move, put, to, fed, revision } = await joined(t);
    const moved = await move(k0, 5, put('x'));
    await assert.rejects(move(k0, 6, put('y')), Fenced);
    await assert.rejects(f.store.advancePlaces(fed, [{ from: k0, to: await to(k0, 6) }], null), Fenced);
    const failing = move(k1, 4, async (advance) => {
      await put('z')(advance);
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    const other = { ...fed, generation: { generation: 4, partitions: 2 } };
    await assert.rejects(f.store.advancePlaces(other, [{ from: k1, to: await to(k1, 4) }], null), Fenced);
    assert.deepEqual(Object.keys(await f.values()), ['x']);
    assert.deepEqual((await f.store.places('things', revision))!.places.slice(0, 2), [moved, k1]);
  });

  test('several places move together, or none of them', async (t) => {
    const { f, k0, k1, o0, move, put, to, fed, revision } = await joined(t);
    const moved = await move(k1, 4);
    const stale = [k0, k1].map(async (from) => ({ from, to: await to(from, 6) }));
    for (const work of [null, put('none')]) {
      await assert.rejects(f.store.advancePlaces(fed, await Promise.all(stale), work), Fenced);
    }
    assert.deepEqual((await f.store.places('things', revision))!.places, [k0, moved, o0]);
    const moves = await Promise.all([moved, o0, k0].map(async (from) => ({ from, to: await to(from, 6) })));
    await f.store.advancePlaces(fed, moves, put('all'));
    const [k1Moved, o0Moved, k0Moved] = moves.map((each) => each.to);
    assert.deepEqual((await f.store.places('things', revision))!.places, [k0Moved, k1Moved, o0Moved]);
    assert.deepEqual(Object.keys(await f.values()), ['all']);
  });

  test('two members move two places at once, and both rows are there', async (t) => {
    const { f, k0, k1, put, to, fed } = await joined(t);
    let finish: () => void = () => {};
    const finishing = new Promise<void>((resolve) => (finish = resolve));
    let entered: () => void = () => {};
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const first = f.store.advancePlaces(fed, [{ from: k0, to: await to(k0, 5) }], async (advance) => {
      await put('first')(advance);
      await advance.park({
        stream: C,
        firstVersion: 1,
        firstPosition: k0.bookmark.position,
        lastVersion: 1,
        events: 1,
        error: 'x',
      });
      entered();
      await finishing;
    });
    await inside;
    await f.opened.connect().advancePlaces(fed, [{ from: k1, to: await to(k1, 4) }], put('second'));
    finish();
    await first;
    assert.deepEqual(Object.keys(await f.values()).sort(), ['first', 'second']);
    assert.deepEqual(
      (await f.store.parkedStreams('things', fed.revision)).map((p) => p.stream),
      [C],
    );
  });

  test('the position is the least of the places for all who ask', async (t) => {
    const { f, k0, k1, o0, move, revision } = await joined(t);
    await move(k0, 9);
    await move(o0, 4);
    assert.deepEqual((await f.current())!.bookmark, await f.at(2));
    await move(k1, 6);
    const least = await f.at(4);
    const { bookmark, marks } = (await f.current())!;
    assert.deepEqual(bookmark, least);
    assert.deepEqual((await f.opened.changes('things').poll(least.position)).stamp, { ...least, revision });
    const snapshot = await f.store.snapshot('things', revision);
    const beyond = [
      { domain: 'keys', partition: 0, bookmark: await f.at(9) },
      { domain: 'keys', partition: 1, bookmark: await f.at(6) },
    ];
    assert.deepEqual([snapshot.bookmark, snapshot.marks], [least, { partitions: 2, at: beyond }]);
    assert.deepEqual(marks, snapshot.marks);
    await snapshot.close();
  });

  test('leaving keeps what is applied beyond the least place as marks, until the checkpoint is past them', async (t) => {
    const { f, k0, move, revision, fed, to, placesAt } = await joined(t);
    await move(k0, 6);
    await f.store.leave({ ...fed, generation: { generation: 2, partitions: 2 } });
    assert.notEqual(await f.store.places('things', revision), null, 'another generation is left alone');
    await f.store.leave(fed);
    await f.store.leave(fed);
    assert.equal(await f.store.places('things', revision), null);
    await assert.rejects(
      f.store.advancePlaces(fed, [{ from: await to(k0, 6), to: await to(k0, 7) }], null),
      Fenced,
    );
    const marks = { partitions: 2, at: [{ domain: 'keys', partition: 0, bookmark: await f.at(6) }] };
    const again = taken(await f.store.acquire('things', revision, 'two', TTL_MS));
    assert.deepEqual([again.bookmark, again.marks], [await f.at(2), marks]);
    await f.store.advance(again.lease, await f.at(2), await f.at(4), null);
    assert.deepEqual((await f.current())!.marks, marks);
    await assert.rejects(f.store.join(again.lease, await f.at(4), await placesAt(4)), Fenced);
    await f.store.advance(again.lease, await f.at(4), await f.at(6), notNow);
    assert.equal((await f.current())!.marks, null);
    await f.store.join(again.lease, await f.at(6), await placesAt(6));
    await f.store.leave(fed);
    assert.deepEqual([(await f.current())!.bookmark, (await f.current())!.marks], [await f.at(6), null]);
  });

  test('whoever ends feed mode waits for a batch under way, and loses nothing of it', async (t) => {
    for (const how of ['leave', 'halt'] as const) {
      const { f, k0, k1, to, put, fed, revision } = await joined(t);
      let finish: () => void = () => {};
      const finishing = new Promise<void>((resolve) => (finish = resolve));
      let entered: () => void = () => {};
      const inside = new Promise<void>((resolve) => (entered = resolve));
      const batch = f.store.advancePlaces(fed, [{ from: k0, to: await to(k0, 5) }], async (advance) => {
        entered();
        await finishing;
        await put('x')(advance);
        // Needs the checkpoint's row for its foreign key.
        await advance.park({
          stream: B,
          firstVersion: 1,
          firstPosition: k0.bookmark.position,
          lastVersion: 1,
          events: 1,
          error: 'x',
        });
      });
      await inside;
      const other = f.opened.connect();
      let ended = false;
      const ending =
        how === 'leave' ? other.leave(fed) : other.halt('things', revision, k1.bookmark, 'replaced');
      const after = ending.finally(() => (ended = true));
      assert.equal(ended, false);
      finish();
      await batch;
      await after;
      const { bookmark, marks, halted, feed } = (await f.current())!;
      assert.deepEqual([bookmark, feed, halted], [await f.at(2), null, how === 'halt' ? 'replaced' : null]);
      assert.deepEqual(marks!.at, [{ domain: 'keys', partition: 0, bookmark: await f.at(5) }]);
      assert.deepEqual(Object.keys(await f.values()), ['x']);
    }
  });

  test('a halt needs a place that is still there; adoption gives the marks the epoch, too', async (t) => {
    const { f, k0, k1, o0, move, revision } = await joined(t);
    await move(k0, 6);
    await move(k1, 5);
    await move(o0, 3);
    await f.store.halt('things', revision, await f.at(2), 'from an older place');
    assert.equal((await f.current())!.halted, null);
    assert.notEqual((await f.current())!.feed, null);
    const epoch = f.log.newEpoch();
    const { epoch: _, ...where } = await f.at(3);
    const before = { ...where, epoch: k0.bookmark.epoch };
    assert.equal(await f.store.adopt('things', revision, before, epoch), false, 'not in feed mode');
    await f.store.halt('things', revision, { ...(await f.at(6)), epoch: k0.bookmark.epoch }, 'replaced');
    assert.equal((await f.store.acquire('things', revision, 'two', TTL_MS)).kind, 'halted');
    assert.equal(await f.store.adopt('things', revision, before, 'other' as Epoch), true);
    const { bookmark, marks, halted } = (await f.current())!;
    assert.deepEqual([bookmark.epoch, halted], ['other', null]);
    assert.deepEqual(
      marks!.at.map((mark) => mark.bookmark.epoch),
      ['other', 'other'],
    );
  });

  test('a swap needs to have reached the greatest place or mark, and fences the members', async (t) => {
    const { f, k0, move, to, put, fed, revision } = await joined(t);
    const moved = await move(k0, 6, put('old'));
    const { epoch } = await f.log.head();
    const built = await f.store.open(thingsProjection(engine), 'rebuild', epoch);
    const { lease } = taken(await f.store.acquire('things', built, 'builder', TTL_MS));
    await f.store.advance(lease, await f.at(0), await f.at(5), put('new'));
    const asked: string[] = [];
    const behind = await f.store.promote(lease, async (through) => {
      asked.push(through);
    });
    assert.deepEqual([behind, asked], ['behind', [(await f.at(6)).position]]);
    await f.store.leave(fed);
    assert.equal(await f.store.promote(lease, notNow), 'behind');
    const again = taken(await f.store.acquire('things', revision, 'one', TTL_MS));
    await f.store.advance(again.lease, again.bookmark, await f.at(6), null);
    const places = [moved];
    await f.store.join(again.lease, await f.at(6), { ...fed.generation, places });
    const answer = await f.store.promote(lease, async () =>
      f.store.advance(lease, await f.at(5), await f.at(6), null),
    );
    assert.equal(answer, 'promoted');
    await assert.rejects(
      f.store.advancePlaces(fed, [{ from: moved, to: await to(moved, 8) }], put('late')),
      Fenced,
    );
    assert.deepEqual(await f.values(), { new: [1] });
    assert.equal((await f.store.acquire('things', revision, 'one', TTL_MS)).kind, 'retired');
    assert.equal(await f.store.drop('things', revision), true);
  });

  test('feed mode outlasts its members', async (t) => {
    const { f, k0, move, revision, fed } = await joined(t);
    await f.opened.elapse(TTL_MS * 2);
    await move(k0, 3);
    const epoch = (await f.log.head()).epoch;
    assert.equal(await f.opened.connect().open(thingsProjection(engine), 'serve', epoch), revision);
    await until(async () => (await f.store.acquire('things', revision, 'x', 1)).kind === 'fed', 'be fed');
    assert.equal(fed.revision, revision);
  });
}
