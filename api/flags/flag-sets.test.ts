import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EnvironmentFlag } from '../../commands/flags/environment-state.ts';
import type { ParkedKills } from '../../commands/flags/parked-kills.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { Epoch, EventId, Position, StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import type { EnvironmentChange } from './environment-change.ts';
import { FlagSets, type LoadEnvironment } from './flag-sets.ts';

const SHOP = 'environment-shop' as StreamId;
const EPOCH = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b01' as Epoch;
const GRACE_MS = 60_000;
const at = (n: number) => String(n).padStart(20, '0') as Position;

function flagOf(key: string, mode: 'on' | 'off' | 'killed' = 'on', prerequisite?: string): EnvironmentFlag {
  return {
    ...{ key, seed: '0123456789abcdef', bucketing: 'flagd-v2', archived: false, revision: 1 },
    ...{ type: 'boolean', variants: { on: true, off: false }, jsonSchema: null, clientVisible: true },
    settings: {
      mode,
      offVariant: 'off',
      prerequisites: prerequisite === undefined ? [] : [{ flag: prerequisite, variants: ['on'] }],
      targets: [],
      rules: [],
      fallthrough: { variant: 'on' },
    },
  };
}

/** A read model made by hand, of which this process is told at once. */
function setsWorld({ maxFlags }: { maxFlags?: number } = {}) {
  const clock = fakeClock();
  const world = {
    position: 10,
    revision: 1,
    /** Flags of each environment with the position of their last change. */
    rows: new Map<StreamId, Map<string, { flag: EnvironmentFlag; position: number }>>(),
    /** Of each stream, the last change that this process knows of. */
    told: new Map<StreamId, number>(),
    polledMs: clock.now(),
    away: false,
    halted: null as string | null,
    loads: 0,
    /** Where the server that is read stands; null: where the read model does. */
    behind: null as number | null,
    gate: null as Promise<void> | null,
    kills: null as ParkedKills | null,
  };
  const changes: EnvironmentChange[] = [];
  let drop = () => {};
  const stampAt = (position: number): Stamp => ({
    ...{ epoch: EPOCH, position: at(position), eventId: `event-${position}` as EventId },
    revision: world.revision,
  });
  const load: LoadEnvironment = async (stream, after) => {
    world.loads++;
    if (world.away) throw new Error('away');
    const position = world.behind ?? world.position;
    const flags = [...(world.rows.get(stream)?.values() ?? [])].filter((row) => row.position <= position);
    const stamp = stampAt(position);
    await world.gate;
    const { kills } = world;
    if (flags.length === 0) return { stamp, rows: null, kills };
    return {
      stamp,
      rows: {
        ...{ tenant: 'tenant-a', project: 'shop', environment: 'production' },
        position: at(Math.max(...flags.map((row) => row.position))),
        flags: flags.filter((row) => at(row.position) > after).map(({ flag }) => flag),
        segments: [],
      },
      kills,
    };
  };
  const clear = (stamp: Stamp, streams: readonly StreamId[]) =>
    stamp.revision === world.revision &&
    streams.every((stream) => stamp.position >= at(world.told.get(stream) ?? 0));
  const isSampled = () => clock.now() - world.polledMs <= 5_000;
  const sets = new FlagSets({
    load,
    clock,
    graceMs: GRACE_MS,
    confirm: async () => true,
    changed: (change) => changes.push(change),
    ...(maxFlags === undefined ? {} : { maxFlags }),
    freshness: {
      usable: (stamp, streams) => isSampled() && world.halted === null && clear(stamp, streams),
      clearAtMs: (stamp, streams) => (clear(stamp, streams) ? world.polledMs : null),
      sampled: isSampled,
      async refresh() {
        if (!world.away) world.polledMs = clock.now();
      },
      saw() {},
      onDrop(then) {
        drop = then;
      },
      get halted() {
        return world.halted;
      },
    },
  });
  return {
    ...{ clock, world, sets, changes },
    drop: () => drop(),
    /** Changes flags, and tells this process of it. */
    write(...flags: readonly EnvironmentFlag[]) {
      world.position++;
      const rows = world.rows.get(SHOP) ?? new Map();
      for (const flag of flags) rows.set(flag.key, { flag, position: world.position });
      world.rows.set(SHOP, rows);
      world.told.set(SHOP, world.position);
    },
    async variantOf(key: string) {
      return (await sets.of(SHOP))?.flags.get(key)?.program.evaluate({}, 0).variant;
    },
  };
}

const codeOf = (code: string) => (error: unknown) =>
  error instanceof PlinthError && error.rejection.code === code;

describe('an environment that is served', () => {
  test('is read once, and answered at once while it is fresh', async () => {
    const { sets, world, write } = setsWorld();
    write(flagOf('a'));
    const first = await sets.of(SHOP);
    for (let i = 0; i < 100; i++) assert.equal(sets.of(SHOP), first);
    assert.equal(world.loads, 1);
    assert.equal(sets.ageSeconds(SHOP), null);
  });

  test('is read once for all who ask at the same time', async () => {
    const { sets, world, write } = setsWorld();
    write(flagOf('a'));
    const all = await Promise.all(Array.from({ length: 20 }, () => sets.of(SHOP)));
    assert.equal(new Set(all).size, 1);
    assert.equal(world.loads, 1);
  });

  test('shows a change after it was told, and only what it reaches is compiled anew', async () => {
    const { sets, write, changes, variantOf } = setsWorld();
    write(flagOf('a'), flagOf('b', 'on', 'a'), flagOf('c'));
    const before = (await sets.of(SHOP))!;
    write(flagOf('a', 'killed'));
    const after = (await sets.of(SHOP))!;
    assert.equal(await variantOf('a'), 'off');
    assert.equal(await variantOf('b'), 'off');
    const anew = [...after.flags].filter(([key, { program }]) => before.flags.get(key)!.program !== program);
    assert.deepEqual(anew.map(([key]) => key).sort(), ['a', 'b']);
    assert.deepEqual(
      changes.map(({ flags, urgent, position }) => ({ flags, urgent, position })),
      // The answer of b depends on a.
      [{ flags: ['a', 'b'], urgent: true, position: at(12) }],
    );
  });

  test('shows a change to who asks after it, though a read from before it is still under way', async () => {
    const { sets, write, world, variantOf } = setsWorld();
    write(flagOf('a'));
    await sets.of(SHOP);
    let open = () => {};
    world.gate = new Promise((resolve) => {
      open = resolve;
    });
    // It sees the environment as it was.
    const early = sets.refresh(SHOP);
    await settled();
    write(flagOf('a', 'killed'));
    const late = variantOf('a');
    await settled();
    world.gate = null;
    open();
    await early;
    assert.equal(await late, 'off');
  });

  test('never goes back, where another server is behind the one that was read before', async () => {
    const { sets, write, world, variantOf } = setsWorld();
    write(flagOf('a'), flagOf('b'));
    write(flagOf('a', 'killed'));
    const { position } = (await sets.of(SHOP))!;
    world.behind = world.position - 1;
    await sets.refresh(SHOP);
    assert.equal(await variantOf('a'), 'off');
    assert.equal((await sets.of(SHOP))!.position, position);
  });

  test('is read whole from another revision of the read model', async () => {
    const { sets, write, world, variantOf } = setsWorld();
    write(flagOf('a'), flagOf('b'));
    await sets.of(SHOP);
    world.revision = 2;
    world.rows.get(SHOP)!.delete('b');
    assert.equal(await variantOf('a'), 'on');
    assert.deepEqual([...(await sets.of(SHOP))!.flags.keys()], ['a']);
  });
});

describe('a kill that waits behind an event that cannot be projected', () => {
  test('stops the flag and what requires it, is told at once, and goes with what waits', async () => {
    const { sets, write, world, changes, variantOf } = setsWorld();
    write(flagOf('a'), flagOf('b', 'on', 'a'), flagOf('c'));
    const before = (await sets.of(SHOP))!;
    world.position += 5;
    world.kills = { parkedAt: 4, position: at(world.position), flags: new Set(['a', 'gone']) };
    world.told.set(SHOP, world.position);
    assert.deepEqual(
      [await variantOf('a'), await variantOf('b'), await variantOf('c')],
      ['off', 'off', 'on'],
    );
    const parked = (await sets.of(SHOP))!;
    assert.equal(parked.position, at(world.position));
    assert.ok(parked.isPartOfPosition && !before.isPartOfPosition);
    assert.equal(parked.flags.get('c')!.program, before.flags.get('c')!.program);
    assert.deepEqual(changes.at(-1), {
      ...{ stream: SHOP, position: at(16), flags: ['a', 'b'], urgent: true },
    });
    await sets.refresh(SHOP);
    assert.equal(changes.length, 1, 'it is told once');

    // The kill is discarded, and nothing of the rows has moved.
    world.position++;
    world.kills = null;
    world.told.set(SHOP, world.position);
    assert.deepEqual([await variantOf('a'), await variantOf('b')], ['on', 'on']);
    assert.equal((await sets.of(SHOP))!.position, before.position);
    assert.deepEqual(changes.at(-1), {
      ...{ stream: SHOP, position: at(17), flags: ['a', 'b'], urgent: false },
    });
  });

  test('stays one when it is projected, and what waited with it is told', async () => {
    const { sets, write, world, changes, variantOf } = setsWorld();
    write(flagOf('a'), flagOf('c'));
    await sets.of(SHOP);
    world.kills = { parkedAt: 4, position: at(++world.position), flags: new Set(['a']) };
    world.told.set(SHOP, world.position);
    assert.equal(await variantOf('a'), 'off');
    world.kills = null;
    write(flagOf('a', 'killed'), flagOf('c', 'off'));
    assert.deepEqual([await variantOf('a'), await variantOf('c')], ['off', 'off']);
    const { position, flags, urgent } = changes.at(-1)!;
    assert.deepEqual([position, flags, urgent], [at(world.position), ['a', 'c'], false]);
    assert.equal((await sets.of(SHOP))!.isPartOfPosition, false);
  });
});

describe('an environment that cannot be read', () => {
  test('is served as it was for the grace, with its age, and then no more', async () => {
    const { sets, write, world, clock, variantOf } = setsWorld();
    write(flagOf('a'));
    await sets.of(SHOP);
    world.away = true;
    await clock.advance(30_000);
    assert.equal(await variantOf('a'), 'on');
    assert.equal(sets.ageSeconds(SHOP), 30);
    await clock.advance(GRACE_MS - 30_000);
    assert.equal(await variantOf('a'), 'on');
    await clock.advance(1);
    await assert.rejects(async () => sets.of(SHOP), codeOf('unavailable'));
    world.away = false;
    assert.equal(await variantOf('a'), 'on');
    assert.equal(sets.ageSeconds(SHOP), null);
  });

  test('was never read: that is told, and nothing is kept of it', async () => {
    const { sets, world } = setsWorld();
    world.away = true;
    await assert.rejects(async () => sets.of(SHOP), codeOf('unavailable'));
    await sets.refresh(SHOP);
    assert.equal(sets.size, 0);
  });

  test('is answered no more once the log was replaced, and read anew after that', async () => {
    const { sets, world, write, drop, variantOf } = setsWorld();
    write(flagOf('a'));
    await sets.of(SHOP);
    world.halted = 'The log was replaced.';
    drop();
    assert.equal(sets.size, 0);
    await assert.rejects(async () => sets.of(SHOP), codeOf('log_epoch_changed'));
    world.halted = null;
    drop();
    assert.equal(await variantOf('a'), 'on');
  });

  test('what was under way when the log was replaced is not kept, and nobody waits for it', async () => {
    const { sets, world, write, drop, variantOf } = setsWorld();
    write(flagOf('a'));
    let open = () => {};
    world.gate = new Promise((resolve) => {
      open = resolve;
    });
    const early = sets.refresh(SHOP);
    await settled();
    drop();
    world.gate = null;
    world.rows.get(SHOP)!.set('a', { flag: flagOf('a', 'off'), position: world.position });
    assert.equal(await variantOf('a'), 'off');
    open();
    await early;
    assert.equal(await variantOf('a'), 'off');
  });
});

describe('an environment that is not there', () => {
  test('is served once it begins', async () => {
    const { sets, write, variantOf, world } = setsWorld();
    assert.equal(await sets.of(SHOP), null);
    assert.equal(sets.of(SHOP), null);
    assert.equal(world.loads, 1);
    write(flagOf('a'));
    assert.equal(await variantOf('a'), 'on');
  });

  test('is one of few that are held', async () => {
    const { sets } = setsWorld({ maxFlags: 100 });
    for (let n = 0; n < 50; n++) assert.equal(await sets.of(`environment-${n}` as StreamId), null);
    assert.ok(sets.size <= 10, `${sets.size}`);
  });
});

describe('a position that is asked for', () => {
  test('is waited for', async () => {
    const { sets, write, clock, world } = setsWorld();
    write(flagOf('a'));
    await sets.of(SHOP);
    const asked = Promise.resolve(sets.of(SHOP, at(world.position + 1)));
    await clock.advance(100);
    write(flagOf('a', 'off'));
    await clock.advance(100);
    assert.equal((await asked)!.position, at(world.position));
  });

  test('is told to be missing, after a second', async () => {
    const { sets, write, clock } = setsWorld();
    write(flagOf('a'));
    await sets.of(SHOP);
    const asked = assert.rejects(async () => sets.of(SHOP, at(99)), codeOf('projection_behind'));
    await clock.advance(1_100);
    await asked;
  });
});
