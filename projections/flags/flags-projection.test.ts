import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { archiveFlag } from '../../commands/flags/archive-flag.ts';
import { changeSegment } from '../../commands/flags/change-segment.ts';
import { copyFlag } from '../../commands/flags/copy-flag.ts';
import { killFlag } from '../../commands/flags/kill-flag.ts';
import { rollbackFlag } from '../../commands/flags/rollback-flag.ts';
import { updateFlag } from '../../commands/flags/update-flag.ts';
import { environmentStream, projectStream } from '../../commands/streams.ts';
import type { Decoded } from '../../schemas/envelope.ts';
import { START } from '../../schemas/envelope.ts';
import { decodePlain } from '../../test/simulation/plain-codec.ts';
import { flagsWorld, PROJECT } from '../../test/support/flags-world.ts';
import { readModel, suitePool } from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import { flagsProjection } from './flags-projection.ts';
import { flagWithReferences, getFlag, listFlags, listProjects } from './queries.ts';
import { servedRows } from './served-rows.ts';

const keys = ['a', 'b', 'c'];
const step = fc.record({
  what: fc.constantFrom(
    'ramp',
    'on',
    'off',
    'kill',
    'back',
    'copy',
    'archive',
    'restore',
    'segment',
    'unsegment',
    'life',
  ),
  flag: fc.constantFrom(...keys),
  environment: fc.constantFrom('development', 'production'),
  n: fc.nat(9),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type World = Awaited<ReturnType<typeof flagsWorld>>;

async function give(world: World, { what, flag, environment, n }: Step): Promise<void> {
  const { deps, at, atProject, change } = world;
  const aim = { project: PROJECT, environment, flag, reason: null };
  const when = { attribute: 'n', is: 'equals', value: n } as const;
  const segment = { project: PROJECT, environment, segment: `s${n % 2}`, reason: null };
  switch (what) {
    case 'ramp': {
      const weights = [{ variant: 'on', weight: 1 }];
      const fallthrough = { rollout: { by: 'targetingKey', exposure: n * 10_000, weights } };
      await change(flag, [{ edit: 'set_fallthrough', fallthrough }], environment);
      return;
    }
    case 'on':
    case 'off':
      await change(flag, [{ edit: 'set_mode', mode: what }], environment);
      return;
    case 'kill':
      await killFlag(deps, at(environment), { ...aim, reason: 'r' });
      return;
    case 'back':
      await rollbackFlag(deps, at(environment), { ...aim, revision: n + 1 });
      return;
    case 'copy':
      await copyFlag(deps, at(environment), { ...aim, from: 'development' });
      return;
    case 'archive':
    case 'restore':
      await archiveFlag(deps, at(environment), { ...aim, archived: what === 'archive' });
      return;
    case 'segment':
    case 'unsegment':
      await changeSegment(deps, at(environment), { ...segment, when: what === 'segment' ? when : null });
      return;
    case 'life':
      await updateFlag(deps, atProject(), { project: PROJECT, flag, lifecycle: n % 2 ? 'live' : 'cleanup' });
  }
}

describe('the flags projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = () => readModel(pool(), flagsProjection, ++revision);
  const eventsOf = (world: World) =>
    world.log.events.map((event) => decodePlain(event)).filter(({ type }) => flagsProjection.types.has(type));

  it('makes the same rows live in any batches as rebuilt in one, and those that commands fold', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(6), { minLength: 1 }),
        async (steps, cuts) => {
          const world = await flagsWorld();
          for (const key of keys) await world.flag(key);
          for (const one of steps) await give(world, one);
          const events = eventsOf(world);
          const live = await fresh();
          for (let from = 0, n = 0; from < events.length; n++) {
            const size = 1 + cuts[n % cuts.length]!;
            await live.apply(events.slice(from, from + size));
            from += size;
          }
          const rebuilt = await fresh();
          await rebuilt.apply(events);
          assert.deepEqual(await live.rows(), await rebuilt.rows());
          for (const name of ['development', 'production']) {
            const stream = environmentStream(world.tenant, PROJECT, name);
            const rows = await servedRows(pool(), live.tables, stream, START);
            const state = await world.environment(name);
            const byKey = Object.fromEntries(rows!.flags.map((flag) => [flag.key, flag]));
            assert.deepEqual(byKey, state.flags.toObject());
            const there = rows!.segments.filter(([, when]) => when !== null);
            assert.deepEqual(Object.fromEntries(there), state.segments.toObject());
          }
          for (const n of [revision, revision - 1]) await pool().query(`DROP SCHEMA rm_flags_${n} CASCADE`);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('answers what has changed since a position, and no more', async () => {
    const world = await flagsWorld();
    for (const key of keys) await world.flag(key);
    const model = await fresh();
    await model.apply(eventsOf(world));
    const stream = environmentStream(world.tenant, PROJECT, 'production');
    const before = await servedRows(pool(), model.tables, stream, START);
    assert.equal(before!.flags.length, 3);
    const seen = eventsOf(world).length;
    await give(world, { what: 'kill', flag: 'b', environment: 'production', n: 0 });
    await model.apply(eventsOf(world).slice(seen));
    const after = await servedRows(pool(), model.tables, stream, before!.position);
    assert.deepEqual(
      after!.flags.map(({ key, settings }) => [key, settings.mode]),
      [['b', 'killed']],
    );
    assert.deepEqual((await servedRows(pool(), model.tables, stream, after!.position))!.flags, []);
    assert.equal(await servedRows(pool(), model.tables, projectStream(world.tenant, 'none'), START), null);
  });

  it('lists flags newest first, page by page, filtered, and reads one with all that it refers to', async () => {
    const world = await flagsWorld();
    for (const key of keys) await world.flag(key);
    await world.change('a', [
      { edit: 'set_prerequisites', prerequisites: [{ flag: 'b', variants: ['on'] }] },
    ]);
    await world.change('b', [
      { edit: 'set_prerequisites', prerequisites: [{ flag: 'c', variants: ['on'] }] },
    ]);
    await give(world, { what: 'life', flag: 'b', environment: 'production', n: 1 });
    const model = await fresh();
    await model.apply(eventsOf(world));
    const { tenant } = world;
    const first = await listFlags(pool(), model.tables, tenant, PROJECT, {}, { limit: 2, after: null });
    assert.deepEqual(
      first.items.map(({ flag }) => flag.flag),
      ['c', 'b'],
    );
    const next = await listFlags(pool(), model.tables, tenant, PROJECT, {}, { limit: 2, after: first.next });
    assert.deepEqual(
      next.items.map(({ flag }) => flag.flag),
      ['a'],
    );
    const live = await listFlags(
      pool(),
      model.tables,
      tenant,
      PROJECT,
      { lifecycle: 'live' },
      { limit: 9, after: null },
    );
    assert.deepEqual(
      live.items.map(({ flag }) => flag.flag),
      ['b'],
    );
    assert.equal(
      (await listProjects(pool(), model.tables, 'tnt_other', { limit: 9, after: null })).items.length,
      0,
    );
    assert.equal((await getFlag(pool(), model.tables, tenant, PROJECT, 'a'))!.environments.length, 2);
    assert.equal(await getFlag(pool(), model.tables, tenant, PROJECT, 'none'), null);
    const stream = environmentStream(tenant, PROJECT, 'production');
    const { flags } = await flagWithReferences(pool(), model.tables, stream, 'a');
    assert.deepEqual([...flags.keys()].sort(), ['a', 'b', 'c']);
  });

  it('refuses what the history of a stream does not allow, and names the stream', async () => {
    const world = await flagsWorld();
    await world.flag('a');
    const events = eventsOf(world);
    const refuses = async (broken: readonly Decoded[]) => {
      const model = await fresh();
      await assert.rejects(model.apply(broken), (error) => error instanceof BrokenStream);
    };
    await refuses(events.filter(({ type }) => type !== 'environment.created'));
    await refuses(events.filter(({ type }) => type !== 'project.created'));
    await refuses([...events, events.find(({ type }) => type === 'flag.added')!]);
  });
});
