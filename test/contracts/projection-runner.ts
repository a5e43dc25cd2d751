/** The runner over the store: order, poison, replay and discard, standby. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEASE_MS } from '../../projections/runner.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { START } from '../../schemas/envelope.ts';
import {
  A,
  B,
  C,
  Fixture,
  killable,
  type ProjectionStoreEngine,
  refusingDecoder,
  until,
} from './projection-store-fixtures.ts';

export function runnerContract<T>(engine: ProjectionStoreEngine<T>): void {
  test('events are applied in order, and the position advances over the rest', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1, 2);
    await f.add(B, 3);
    await f.append(C, 'other.thing', { value: 9 });
    const running = f.run();
    await f.reached();
    await f.add(A, 4);
    await f.append(C, 'other.thing', { value: 9 });
    await f.reached();
    assert.deepEqual(await f.values(), { [A]: [1, 2, 4], [B]: [3] });
    await until(() => running.runner.health().lagSeconds === 0, 'be live');
    assert.equal(running.runner.health().state, 'live');
    assert.equal(running.runner.health().holder, 'runner-1');
    await running.stop();
    assert.equal(running.runner.health().state, 'stopped');
    assert.equal((await f.current())!.holder, null, 'the lease is released');
  });

  test('a poison event parks its stream with what follows, others flow, and changes tell it', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    await f.poison(A, 2);
    await f.add(B, 10);
    await f.add(A, 3);
    await f.add(B, 11);
    await f.catchUp();
    await f.add(A, 4);
    await f.catchUp();
    assert.deepEqual(await f.values(), { [A]: [1], [B]: [10, 11] });
    const [parked, ...none] = await f.parked();
    assert.deepEqual(none, []);
    assert.deepEqual(parked, {
      stream: A,
      firstVersion: 2,
      firstPosition: (await f.at(2)).position,
      lastVersion: 4,
      events: 3,
      error: 'Error: value 2 is poison',
    });
    assert.deepEqual(
      [await f.store.isParked('things', [B, A]), await f.store.isParked('things', [B, C])],
      [true, false],
    );
    const { changes } = await f.opened.changes('things').poll(START);
    const positions = [(await f.at(2)).position, (await f.at(5)).position, (await f.at(6)).position];
    assert.deepEqual(changes, [
      { stream: A, position: positions[0] },
      { stream: B, position: positions[1] },
      { stream: A, position: positions[2] },
    ]);
  });

  test('far behind, changes are pruned instead of told, until it is near again', async (t) => {
    const f = await Fixture.open(t, engine);
    const longAgoMs = Date.now() - 60_000;
    for (let i = 0; i < 6; i++) await f.append(A, 'thing.added', { value: i }, longAgoMs);
    await f.add(B, 6);
    f.run(f.deps(), 'runner-1', 2);
    await f.reached();
    const poll = await f.opened.changes('things').poll(START);
    assert.equal(poll.prunedThrough, (await f.at(6)).position);
    assert.deepEqual(poll.changes, [{ stream: B, position: (await f.at(7)).position }]);
  });

  test('many poison events among many others park their streams alone', async (t) => {
    const f = await Fixture.open(t, engine);
    const expected: Record<string, number[]> = {};
    for (let i = 0; i < 40; i++) {
      const stream = `thing-${String(i % 10)}` as typeof A;
      if (i === 13 || i === 27) await f.poison(stream, i);
      else {
        await f.add(stream, i);
        const parked = (i % 10 === 3 && i > 13) || (i % 10 === 7 && i > 27);
        if (!parked) expected[stream] = [...(expected[stream] ?? []), i];
      }
    }
    await f.catchUp();
    assert.deepEqual(await f.values(), expected);
    assert.deepEqual(
      (await f.parked()).map((p) => [p.stream, p.events]),
      [
        ['thing-3', 3],
        ['thing-7', 2],
      ],
    );
  });

  test('a replay that fails again stays parked with the new error; a good one applies all in order', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    await f.poison(A, 2);
    await f.add(A, 3);
    await f.catchUp();
    await f.replay(A);
    const angry = f.deps({
      onApply: () => {
        throw new Error('worse');
      },
    });
    await f.catchUp(angry);
    assert.deepEqual(
      (await f.parked()).map((p) => [p.firstVersion, p.events, p.error]),
      [[2, 2, 'Error: worse']],
    );
    await f.add(A, 5);
    await f.add(B, 6);
    await f.replay(A);
    await f.add(A, 7);
    await f.catchUp(f.deps({ fixed: true }));
    assert.deepEqual(await f.parked(), []);
    assert.deepEqual(await f.values(), { [A]: [1, 2, 3, 5, 7], [B]: [6] });
    const { changes } = await f.opened.changes('things').poll(START);
    assert.deepEqual(changes.at(-1)!.stream, A);
  });

  test('a discard drops the event it names and replays those behind it', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1);
    await f.poison(A, 2);
    await f.add(A, 3);
    await f.poison(A, 4);
    await f.add(A, 5);
    await f.discard(A, 1);
    await f.catchUp();
    assert.deepEqual(
      (await f.parked()).map((p) => p.firstVersion),
      [2],
      'it is parked at another event',
    );
    await f.discard(A, 2);
    await f.catchUp();
    assert.deepEqual(await f.values(), { [A]: [1, 3] });
    assert.deepEqual(
      (await f.parked()).map((p) => [p.firstVersion, p.events]),
      [[4, 2]],
    );
    await f.discard(A, 4);
    await f.catchUp();
    assert.deepEqual(await f.values(), { [A]: [1, 3, 5] });
    assert.deepEqual(await f.parked(), []);
  });

  test('an undecodable event parks its stream, a newer one pauses the runner', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.append(A, 'thing.strange', { value: 1, refuse: 'UndecodableEvent' });
    await f.add(B, 2);
    await f.append(C, 'thing.strange', { value: 3, refuse: 'NewerSchemaVersion' });
    await f.add(B, 4);
    const running = f.run(f.deps({}, { decoder: refusingDecoder }));
    await until(() => running.runner.health().state === 'paused', 'pause');
    assert.match(running.runner.health().problem!, /NewerSchemaVersion/);
    assert.deepEqual(await f.values(), { [B]: [2] });
    assert.deepEqual((await f.current())!.bookmark, await f.at(2));
    assert.equal((await f.current())!.holder, null, 'newer code may take over');
    assert.ok(running.runner.health().lagSeconds !== null);
    assert.deepEqual(
      (await f.parked()).map((p) => p.stream),
      [A],
    );
    await running.stop();
    await f.catchUp();
    assert.deepEqual(await f.values(), { [B]: [2, 4], [C]: [3] });
  });

  for (const reads of ['personal', 'public'] as const) {
    const outcome = reads === 'personal' ? 'parks its stream' : 'is nothing to know of';
    test(`to a projection that reads what is ${reads}, a field that does not open ${outcome}`, async (t) => {
      const f = await Fixture.open(t, engine);
      await f.append(A, 'thing.strange', { value: 1, refuse: 'UndecodableEvent', sealed: true });
      await f.append(B, 'thing.strange', { value: 2, refuse: 'UndecodableEvent' });
      await f.add(A, 3);
      await f.add(C, 4);
      const deps = f.deps({ reads }, { decoder: refusingDecoder });
      await f.catchUp(deps);
      const flowing = reads === 'public' ? { [A]: [1, 3] } : {};
      assert.deepEqual(await f.values(), { ...flowing, [C]: [4] });
      assert.deepEqual((await f.parked()).map((p) => p.stream).sort(), reads === 'public' ? [B] : [A, B]);
      // A rebuild reads the same, and so does the comparison with it.
      const options = { holder: 'verify', signal: new AbortController().signal };
      assert.equal((await verifyProjection(deps, options))!.differences, 0);
      // What waits is read in the same way.
      await f.replay(A);
      await f.catchUp(deps);
      assert.equal((await f.parked()).length, reads === 'public' ? 1 : 2);
    });
  }

  test('what may pass is retried and parks nothing', async (t) => {
    const f = await Fixture.open(t, engine);
    await f.add(A, 1, 2);
    let failures = 0;
    const decoder = {
      ...refusingDecoder,
      decode: async (events: Parameters<typeof refusingDecoder.decode>[0]) => {
        if (events.length > 0 && failures++ < 2) throw new Error('the key store is away');
        return refusingDecoder.decode(events);
      },
    };
    await f.catchUp(f.deps({}, { decoder }));
    assert.deepEqual(await f.values(), { [A]: [1, 2] });
    assert.deepEqual(await f.parked(), []);
  });

  test('a standby takes over from a runner that is gone, and loses nothing', async (t) => {
    const f = await Fixture.open(t, engine);
    const store = killable(f.opened.connect());
    const first = f.run(f.deps({}, { store }), 'first');
    await f.add(A, 1);
    await f.reached();
    const second = f.run(f.deps({}, { store: f.opened.connect() }), 'second');
    await until(() => second.runner.health().state === 'standby', 'stand by');
    store.kill();
    await f.add(A, 2);
    await f.opened.elapse(LEASE_MS);
    await f.reached();
    assert.equal((await f.current())!.holder, 'second');
    assert.deepEqual(await f.values(), { [A]: [1, 2] });
    await second.stop();
    await first.stop();
  });
}
