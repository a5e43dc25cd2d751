import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Epoch, type Position, positionToken, type StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { ChangeHub, COALESCE_MS, LOOK_EVERY_MS } from './change-hub.ts';
import { MAX_RECENT_CHANGES, MAX_RECENT_MS } from './change-ring.ts';
import type { FlagsUse } from './flags-use.ts';

const SHOP = 'environment-shop' as StreamId;
const EPOCH = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b01' as Epoch;
const LATER_EPOCH = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b02' as Epoch;
const at = (n: number) => String(n).padStart(20, '0') as Position;
const id = (n: number, epoch = EPOCH) => positionToken(epoch, at(n));

interface Message {
  readonly id?: string;
  readonly type: string;
  readonly etag?: string;
  readonly flags?: readonly string[];
  readonly urgent?: boolean;
}

function messagesOf(text: string): Message[] {
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((block) => {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
      return { ...(fields.id && { id: fields.id as string }), ...JSON.parse(fields.data as string) };
    });
}

function hubWorld(options: { maxStreams?: number; maxStreamsAnEnvironment?: number } = {}) {
  const clock = fakeClock();
  const world = { epoch: EPOCH, stands: 10 as number | null };
  const hub = new ChangeHub({
    clock,
    epoch: () => world.epoch,
    async standsAt() {
      if (world.stands === null) throw new Error('away');
      return at(world.stands);
    },
    ...options,
  });
  const watch = async (
    lastEventId?: string,
    { use = 'flags-server', stream = SHOP }: { use?: FlagsUse; stream?: StreamId } = {},
  ) => {
    const leaving = new AbortController();
    const told: Message[] = [];
    await hub.watch(
      stream,
      { use, signal: leaving.signal, send: (text) => told.push(...messagesOf(text)) },
      lastEventId,
    );
    return { told, leave: () => leaving.abort() };
  };
  const change = (n: number, flags: readonly string[] | null = ['a'], urgent = false) => {
    world.stands = n;
    hub.tell({ stream: SHOP, position: at(n), flags, urgent });
  };
  const past = (ms = COALESCE_MS) => clock.advance(ms);
  return { clock, world, hub, watch, change, past };
}

const refetch = (n: number) => ({ id: id(n), type: 'refetchEvaluation', etag: id(n) });
const opened = (n: number) => ({ id: id(n), type: 'opened' });

describe('what a watcher is told', () => {
  test('a fresh one is told nothing but where it stands, then each change, by name of its flags', async () => {
    const { watch, change } = hubWorld();
    const { told } = await watch();
    assert.deepEqual(told, [opened(10)]);
    change(11, ['checkout']);
    assert.deepEqual(told.slice(1), [
      { type: 'flagsChanged', flags: ['checkout'], urgent: false },
      refetch(11),
    ]);
  });

  test('a client is never told the names of flags', async () => {
    const { watch, change, past } = hubWorld();
    const client = await watch(undefined, { use: 'flags-client' });
    change(11, ['secret-launch']);
    await past();
    const late = await watch(id(10), { use: 'flags-client' });
    for (const { told } of [client, late]) {
      assert.deepEqual(told.slice(-2), [{ type: 'flagsChanged', urgent: false }, refetch(11)]);
    }
  });

  test('a change is told at once, those on its heels as one, and a later one alone', async () => {
    const { watch, change, past } = hubWorld();
    const { told } = await watch();
    change(11, ['a']);
    assert.equal(told.at(-1)?.etag, id(11));
    change(12, ['b']);
    await past(COALESCE_MS / 2);
    change(13, ['a']);
    assert.equal(told.length, 3);
    await past(COALESCE_MS / 2);
    const flags = ['b', 'a'];
    assert.deepEqual(told.slice(3), [{ type: 'flagsChanged', flags, urgent: false }, refetch(13)]);
    await past();
    change(14, null);
    assert.deepEqual(told.slice(5), [{ type: 'flagsChanged', urgent: false }, refetch(14)]);
  });

  test('a kill does not wait, takes along what does, and nothing is told twice', async () => {
    const { watch, change, past } = hubWorld();
    const { told } = await watch();
    change(11, ['a']);
    change(12, ['b']);
    assert.equal(told.length, 3);
    change(13, ['c'], true);
    const flags = ['b', 'c'];
    assert.deepEqual(told.slice(3), [{ type: 'flagsChanged', flags, urgent: true }, refetch(13)]);
    change(13, ['c']);
    await past(10 * COALESCE_MS);
    assert.equal(told.length, 5);
  });

  test('a change that nobody told of is found by looking', async () => {
    const { watch, world, past } = hubWorld();
    const { told } = await watch();
    world.stands = null;
    await past(LOOK_EVERY_MS);
    world.stands = 12;
    await past(LOOK_EVERY_MS + COALESCE_MS);
    assert.deepEqual(told.slice(1), [{ type: 'flagsChanged', urgent: false }, refetch(12)]);
  });

  test('another history is told as a change of everything', async () => {
    const { watch, world, change, past } = hubWorld();
    const { told } = await watch();
    world.epoch = LATER_EPOCH;
    change(3, ['a']);
    await past();
    const again = id(3, LATER_EPOCH);
    assert.deepEqual(told.slice(1), [
      { type: 'flagsChanged', urgent: false },
      { id: again, type: 'refetchEvaluation', etag: again },
    ]);
    assert.deepEqual((await watch(id(3))).told.at(-1)?.type, 'refetchEvaluation');
    assert.deepEqual((await watch(again)).told, [{ id: again, type: 'opened' }]);
  });
});

describe('one that comes again', () => {
  test('is told what came after the change that it saw last, and nothing when that was the last', async () => {
    const { watch, change, past } = hubWorld();
    await watch();
    for (const n of [11, 12, 13]) {
      change(n, [`flag-${n}`]);
      await past();
    }
    const flags = ['flag-12', 'flag-13'];
    assert.deepEqual((await watch(id(11))).told, [
      { type: 'flagsChanged', flags, urgent: false },
      refetch(13),
    ]);
    assert.deepEqual((await watch(id(13))).told, [opened(13)]);
  });

  test('is told to fetch everything, once, where its place is not known', async () => {
    const { watch, change, past } = hubWorld();
    await watch();
    change(11);
    await past();
    const ids = {
      'from before the ring': id(9),
      'from another history': id(11, LATER_EPOCH),
      malformed: 'nonsense',
      'with a line end': `${id(11)}\nid: 1`,
      'too long': '1'.repeat(10_000),
    };
    for (const [what, lastEventId] of Object.entries(ids)) {
      const { told } = await watch(lastEventId);
      assert.deepEqual(told, [{ type: 'flagsChanged', urgent: false }, refetch(11)], what);
    }
    // Another process told it what this one has not seen yet: it must not fetch something older.
    const ahead = await watch(id(15));
    assert.deepEqual(ahead.told.at(-1), { id: id(11), type: 'refetchEvaluation', etag: id(15) });
  });

  test('after a restart has its place only where nothing happened meanwhile', async () => {
    assert.deepEqual((await hubWorld().watch(id(10))).told, [opened(10)]);
    assert.deepEqual((await hubWorld().watch(id(9))).told.at(-1), refetch(10));
    const blind = hubWorld();
    blind.world.stands = null;
    assert.deepEqual((await blind.watch(id(10))).told.at(-1), { type: 'refetchEvaluation', etag: id(10) });
    assert.deepEqual((await blind.watch()).told, []);
  });

  test('loses its place when the ring has let go of it, by number and by age', async () => {
    const { watch, change, past, clock } = hubWorld();
    const first = await watch();
    for (let n = 11; n <= 11 + MAX_RECENT_CHANGES; n++) {
      change(n);
      await past();
    }
    assert.equal((await watch(id(10))).told.at(-1)?.type, 'refetchEvaluation');
    const kept = (await watch(id(11))).told;
    assert.deepEqual(kept[0]?.flags, ['a'], 'it is placed: the flags are named');
    assert.equal((await watch(id(10))).told[0]?.flags, undefined);
    await clock.advance(MAX_RECENT_MS + LOOK_EVERY_MS);
    assert.equal((await watch(id(12))).told[0]?.flags, undefined);
    assert.deepEqual((await watch(id(11 + MAX_RECENT_CHANGES))).told, [opened(11 + MAX_RECENT_CHANGES)]);
    first.leave();
  });

  test('a fresh one that fetched just before a change is told of it', async () => {
    const { watch, change, past } = hubWorld();
    await watch();
    change(11);
    await past();
    await past(1_000);
    assert.deepEqual((await watch()).told.at(-1), refetch(11));
    await past(20_000);
    assert.deepEqual((await watch()).told, [opened(11)]);
  });

  test('whatever the order of changes and comings, nobody stays with what is old', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('change' as const), urgent: fc.boolean(), silent: fc.boolean() }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }),
      fc.record({ kind: fc.constant('leave' as const) }),
      fc.record({ kind: fc.constant('come' as const), during: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { watch, change, past, world } = hubWorld();
        let now = 10;
        // What a client holds: it fetches on every refetch, and keeps the last id.
        let seen = 10;
        let lastId: string | undefined;
        let open = null as Awaited<ReturnType<typeof watch>> | null;
        let read = 0;
        const act = () => {
          for (const message of open?.told.slice(read) ?? []) {
            if (message.id) lastId = message.id;
            if (message.type === 'refetchEvaluation') seen = now;
          }
          read = open?.told.length ?? 0;
        };
        const come = async (during: boolean) => {
          if (open) return;
          read = 0;
          const coming = watch(lastId);
          if (during) change(++now);
          open = await coming;
          act();
        };
        await come(false);
        for (const s of steps) {
          if (s.kind === 'change') {
            now += 1;
            if (s.silent) world.stands = now;
            else change(now, ['a'], s.urgent);
          } else if (s.kind === 'pass') await past(s.ms);
          else if (s.kind === 'come') await come(s.during);
          else {
            open?.leave();
            open = null;
          }
          act();
        }
        await come(false);
        await past(LOOK_EVERY_MS + COALESCE_MS);
        act();
        assert.equal(seen, now);
        open!.leave();
      }),
      { numRuns: 300 },
    );
  });
});

describe('bounds', () => {
  const code = (wanted: string) => (error: unknown) =>
    error instanceof PlinthError && error.rejection.code === wanted;

  test('streams are bounded in the process and in an environment, and their places come free', async () => {
    const { watch, hub } = hubWorld({ maxStreams: 3, maxStreamsAnEnvironment: 2 });
    const other = 'environment-other' as StreamId;
    const [first] = [await watch(), await watch()];
    await assert.rejects(watch(), code('too_many_requests'));
    await watch(undefined, { stream: other });
    await assert.rejects(watch(undefined, { stream: other }), code('overloaded'));
    first!.leave();
    first!.leave();
    assert.equal(hub.streams, 2);
    await watch();
    await assert.rejects(watch(), code('overloaded'));
  });

  test('an environment that nobody watches and of which nothing is kept takes no memory and no timer', async () => {
    const { watch, hub, change, past, clock } = hubWorld();
    change(11);
    assert.equal(hub.environments, 0);
    (await watch()).leave();
    assert.equal(hub.environments, 0);
    const { leave } = await watch();
    change(12);
    change(13);
    leave();
    await past();
    assert.equal(hub.environments, 1);
    await past(MAX_RECENT_MS + LOOK_EVERY_MS);
    assert.equal(hub.environments, 0);
    assert.equal(clock.sleepers(), 0);
  });

  test('environments of which only changes are kept make room', async () => {
    const { watch, hub, past } = hubWorld({ maxStreams: 2 });
    for (let i = 0; i < 10; i++) {
      const stream = `environment-${i}` as StreamId;
      const { leave } = await watch(undefined, { stream });
      hub.tell({ stream, position: at(11), flags: null, urgent: true });
      leave();
    }
    assert.equal(hub.environments, 2);
    await past();
  });

  test('one that leaves while it comes holds nothing, and closing stops every timer', async () => {
    const { hub, watch, clock } = hubWorld();
    const leaving = new AbortController();
    const told: string[] = [];
    const coming = hub.watch(
      SHOP,
      { use: 'flags-client', signal: leaving.signal, send: (text) => told.push(text) },
      undefined,
    );
    leaving.abort();
    await coming;
    assert.deepEqual([hub.streams, hub.environments, told.length], [0, 0, 0]);
    await watch();
    hub.close();
    await settled();
    assert.equal(clock.sleepers(), 0);
  });
});
