import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noKey } from '../../commands/keys/key-state.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { memorySharedCache } from '../../test/engines/memory-shared-cache.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { type StampedEntry, stampedEntry } from './key-entry.ts';
import { SecondLevel } from './second-level.ts';
import type { SharedCache } from './shared-cache.ts';
import { sharedEntries } from './shared-entry.ts';

const place = { epoch: 'e' as Epoch, revision: 1 };
const stampAt = (position: number): Stamp => ({
  ...place,
  position: String(position).padStart(20, '0') as Position,
  eventId: 'i' as EventId,
});
const entryAt = (keyId: string, position: number): StampedEntry =>
  stampedEntry(
    { key: { ...noKey, version: 1, keyId }, owner: noOwner, suspended: false, parked: false },
    keyId,
    stampAt(position),
  );

function world() {
  const clock = fakeClock();
  const memory = memorySharedCache({ clock });
  const entries = sharedEntries(new Secret(new Uint8Array(32).fill(3)));
  const state = { usableFrom: 0, confirmed: true, fault: null as null | 'rejects' | 'hangs' | 'throws' };
  const calls: string[] = [];
  const faulty = <T>(name: string, call: () => Promise<T>): Promise<T> => {
    calls.push(name);
    if (state.fault === 'throws') throw new Error('no route');
    if (state.fault === 'rejects') return Promise.reject(new Error('no route'));
    return state.fault === 'hangs' ? new Promise(() => {}) : call();
  };
  const shared: SharedCache = {
    getMany: (names) => faulty('getMany', () => memory.getMany(names)),
    claim: (names, claimMs) => faulty('claim', () => memory.claim(names, claimMs)),
    put: (records) => faulty('put', () => memory.put(records)),
  };
  const process = () => {
    const events: string[] = [];
    const level = new SecondLevel({
      shared,
      entries,
      clock,
      place: () => place,
      usable: ({ stamp }) => stamp.position >= stampAt(state.usableFrom).position,
      confirm: async () => state.confirmed,
      on: (event, count) => events.push(count === 1 ? event : `${event} ${count}`),
    });
    return { level, events };
  };
  return { clock, memory, state, calls, process };
}

describe('the second level', () => {
  it('finds what another process has put, if it may be used', async () => {
    const w = world();
    const [one, two] = [w.process(), w.process()];
    assert.equal(await one.level.find('k'), null);
    one.level.put([{ name: 'k', entry: entryAt('k', 10) }]);
    await settled();
    assert.deepEqual(await two.level.find('k'), entryAt('k', 10));
    w.state.usableFrom = 11;
    assert.equal(await two.level.find('k'), null);
    w.state.usableFrom = 0;
    w.state.confirmed = false;
    await w.clock.advance(100);
    assert.equal(await two.level.find('k'), null, 'the log does not hold the event of its stamp');
    assert.deepEqual([one.events, two.events], [['miss'], ['hit', 'unusable', 'rejected']]);
  });

  it('asks for what is wanted together at once, and for each name once', async () => {
    const w = world();
    const { level, events } = w.process();
    await Promise.all(Array.from({ length: 50 }, (_, i) => level.find(`k${i % 10}`)));
    assert.deepEqual([w.calls, events], [['getMany', 'claim'], ['miss 10']]);
  });

  it('lets one of many processes read the row, and gives it to the others', async () => {
    const w = world();
    const processes = Array.from({ length: 10 }, () => w.process());
    const finds = processes.map(async ({ level }) => {
      const found = await level.find('k');
      if (found === null) level.put([{ name: 'k', entry: entryAt('k', 10) }]);
      return found === null;
    });
    await w.clock.advance(100);
    const read = (await Promise.all(finds)).filter((itself) => itself).length;
    assert.equal(read, 1);
    assert.equal(processes.filter(({ events }) => events.includes('waited')).length, 9);
  });

  it('waits less than 100 ms for a process that claimed a row and died', async () => {
    const w = world();
    const [dying, other] = [w.process(), w.process()];
    await dying.level.find('k');
    let found: unknown = 'nothing yet';
    void other.level.find('k').then((entry) => {
      found = entry;
    });
    await settled();
    assert.equal(found, 'nothing yet');
    await w.clock.advance(99);
    assert.equal(found, null);
  });

  it('does not let a row that it reads itself wait for one that another process reads', async () => {
    const w = world();
    const [other, own] = [w.process(), w.process()];
    await other.level.find('theirs');
    void own.level.find('theirs');
    assert.equal(await own.level.find('mine'), null);
  });

  for (const fault of ['rejects', 'throws', 'hangs'] as const) {
    it(`passes by a shared cache that ${fault}, and tries again after a second`, async () => {
      const w = world();
      const { level, events } = w.process();
      w.state.fault = fault;
      const find = level.find('k');
      await w.clock.advance(100);
      assert.equal(await find, null);
      assert.deepEqual([w.calls.length, events], [1, ['failed']]);
      assert.equal(await level.find('k'), null);
      assert.equal(w.calls.length, 1, 'it is not asked meanwhile');
      level.put([{ name: 'k', entry: entryAt('k', 10) }]);
      await w.clock.advance(1_000);
      assert.deepEqual(w.calls, ['getMany', 'put']);
      assert.deepEqual(events, ['failed', 'put_failed']);
      w.state.fault = null;
      await w.clock.advance(1_000);
      level.put([{ name: 'k', entry: entryAt('k', 10) }]);
      await settled();
      assert.deepEqual(await level.find('k'), entryAt('k', 10));
    });
  }
});
