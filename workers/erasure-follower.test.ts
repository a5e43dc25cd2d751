import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERASURE_WAIT_MS, eraseSubject } from '../commands/subjects/erase-subject.ts';
import type { Epoch, Position } from '../schemas/envelope.ts';
import { personalWorld } from '../test/support/personal-world.ts';
import { catchUpErasures } from './erasure-follower.ts';

type World = ReturnType<typeof personalWorld>;

async function erase({ clock, eraseContext }: World, by: ReturnType<World['process']>, subject: string) {
  const erasing = eraseSubject(by, eraseContext(subject, 'r1'), { subject });
  await clock.advance(ERASURE_WAIT_MS);
  await erasing;
}

describe('the erasure follower', () => {
  it('makes every process refuse the keys, those that held one too, and the store forget them', async (t) => {
    const world = personalWorld(t);
    const [one, two] = [world.process(), world.process()];
    one.follow();
    two.follow();
    const alice = await one.note('alice', 'Alice');
    const bob = await one.note('bob', 'Bob');
    await two.read(alice);
    await erase(world, one, 'alice');
    await two.read(bob);
    await world.clock.advance(1_500);
    for (const each of [one, two]) {
      const read = await each.read(alice);
      assert.deepEqual(read.data, { ownerId: 'alice', name: null });
      assert.deepEqual(read.erased, ['name']);
      assert.deepEqual((await each.read(bob)).data, { ownerId: 'bob', name: 'Bob' });
      assert.equal(each.lost.length, 0);
    }
    assert.deepEqual(
      world.store.wrappedKeys().map(({ subject }) => subject),
      ['bob'],
    );
  });

  it('has a store that was put back under running processes forget again', async (t) => {
    const world = personalWorld(t);
    const here = world.process();
    here.follow();
    const alice = await here.note('alice', 'Alice');
    await world.clock.advance(1_500);
    const restore = world.store.copy();
    await erase(world, here, 'alice');
    await here.note('bob', 'Bob');
    await world.clock.advance(2_000);
    restore();
    assert.equal(world.store.wrappedKeys().length, 1, 'the key of alice is back');
    await world.clock.advance(3_000);
    assert.deepEqual(world.store.wrappedKeys(), [], 'and gone again');
    assert.deepEqual((await here.read(alice)).erased, ['name']);
    // A process that was never told of it reads the same.
    const fresh = world.process();
    await catchUpErasures(fresh, new AbortController().signal);
    assert.deepEqual((await fresh.read(alice)).erased, ['name']);
  });

  it('has a store that was put back while nothing ran forget before anything is read', async (t) => {
    const world = personalWorld(t);
    const before = world.process();
    const follower = before.follow();
    const alice = await before.note('alice', 'Alice');
    await world.clock.advance(1_500);
    const restore = world.store.copy();
    await erase(world, before, 'alice');
    await world.clock.advance(1_500);
    await follower.stop();
    restore();
    const after = world.process();
    assert.deepEqual((await after.read(alice)).erased, [], 'without its follower it would believe the store');
    await catchUpErasures(after, new AbortController().signal);
    assert.deepEqual((await after.read(alice)).erased, ['name']);
  });

  it('moves its bookmark over what it ignores', async (t) => {
    const world = personalWorld(t);
    const here = world.process();
    const { health } = here.follow();
    const note = await here.note('alice', 'Alice');
    await world.clock.advance(3_000);
    assert.equal(health.state, 'running');
    const bookmark = await here.dataKeys.bookmark();
    assert.deepEqual(bookmark, {
      epoch: (await world.log.head()).epoch,
      position: note.position,
      eventId: note.id,
    });
  });

  it('halts on a log with another epoch, and goes on when the store starts again in it', async (t) => {
    const world = personalWorld(t);
    const here = world.process();
    const { health } = here.follow();
    await here.note('alice', 'Alice');
    await world.clock.advance(3_000);
    const epoch: Epoch = world.log.newEpoch();
    await world.clock.advance(3_000);
    assert.equal(health.state, 'halted');
    assert.match(health.problem, /restored or copied, run `plinth log restored`/);
    await world.store.restart(epoch);
    await world.clock.advance(12_000);
    assert.equal(health.state, 'running');
    assert.equal((await here.dataKeys.bookmark())?.epoch, epoch);
  });

  it('destroys nothing on the word of a history that replaced its own', async (t) => {
    const world = personalWorld(t);
    const here = world.process();
    const { health } = here.follow();
    await here.note('alice', 'Alice');
    await here.note('bob', 'Bob');
    await world.clock.advance(3_000);
    world.log.truncateTail(1);
    await here.note('carol', 'Carol');
    await erase(world, here, 'alice');
    await world.clock.advance(3_000);
    assert.equal(health.state, 'halted');
    assert(world.store.wrappedKeys().some(({ subject }) => subject === 'alice'));
  });

  it('survives a store and a log that are away', async (t) => {
    const world = personalWorld(t);
    let away = true;
    const here = world.process((dataKeys) => ({
      ...dataKeys,
      bookmark: () => (away ? Promise.reject(new Error('away')) : dataKeys.bookmark()),
    }));
    const { health } = here.follow();
    const alice = await here.note('alice', 'Alice');
    await erase(world, here, 'alice');
    assert.equal(health.state, 'retrying');
    away = false;
    world.log.failCalls(2);
    await world.clock.advance(30_000);
    assert.equal(health.state, 'running');
    assert.deepEqual((await here.read(alice)).erased, ['name']);
  });
});

describe('a field without its key', () => {
  it('is lost, not erased, when the erasure lies before it, and erased once a later one names the key', async (t) => {
    const world = personalWorld(t);
    const here = world.process();
    here.follow();
    await here.note('alice', 'Alice');
    // A writer that was held up: it encrypted in time, and its append arrives after the erasure.
    const slow = await here.note('alice', 'Slow', 'key-slow');
    const recorded = world.log.events.at(-1)!;
    await erase(world, here, 'alice');
    await world.clock.advance(1_500);
    const { keyIds } = (await here.codec.decode(world.log.events.slice(-1)))[0]!.data as { keyIds: string[] };
    const late = { ...recorded, position: `9${recorded.position.slice(1)}` as Position };
    const [read] = await here.codec.decode([late]);
    assert.deepEqual([read!.erased, read!.lost], [[], ['name']]);
    assert.deepEqual(
      here.lost.map(({ field, keyId, event }) => [field, keyId, event.id]),
      [['name', keyIds[0], slow.id]],
    );
    assert.deepEqual((await here.read(slow)).erased, ['name']);
  });
});
