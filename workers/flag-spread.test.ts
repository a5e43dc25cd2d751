import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addEnvironment } from '../commands/flags/add-environment.ts';
import { createFlag } from '../commands/flags/create-flag.ts';
import { spread, spreadOf } from '../commands/flags/spread.ts';
import { HotFolds } from '../commands/hot-folds.ts';
import { uuidv5 } from '../commands/ids.ts';
import { requestOnParked } from '../commands/projections/request-on-parked.ts';
import { environmentStream, projectStream } from '../commands/streams.ts';
import { createFlagSchema } from '../schemas/commands/projects.ts';
import type { CommandId, StreamId } from '../schemas/envelope.ts';
import { decodePlain } from '../test/simulation/plain-codec.ts';
import { flagsWorld, PROJECT } from '../test/support/flags-world.ts';
import { spoiledCodec } from '../test/support/spoiled-codec.ts';
import { FLAG_SPREAD, flagSpread } from './flag-spread.ts';

async function spreadingWorld() {
  const world = await flagsWorld();
  const { deps, tenant, atProject, done, log } = world;
  const full = (flag: string) => ({ ...createFlagSchema.parse({ flag }), project: PROJECT });
  /** Made, and no more: as when the process dies before the next step. */
  const create = async (flag: string, key?: string) =>
    done(await createFlag(deps, atProject(key), full(flag)));
  const reactTo = (type: string, withDeps = deps) => {
    const made = log.events.filter((event) => event.type === type).at(-1)!;
    return flagSpread(withDeps).react(
      decodePlain(made),
      (target: StreamId, index: number) => uuidv5(made.id, FLAG_SPREAD, target, String(index)) as CommandId,
    );
  };
  const flagsIn = async (environment: string) =>
    [...(await world.environment(environment)).flags.keys()].sort();
  return { ...world, tenant, full, create, reactTo, flagsIn };
}

describe('a flag of which an environment was not told', () => {
  test('is brought to every environment by its event, once', async () => {
    const { create, reactTo, flagsIn, log } = await spreadingWorld();
    await create('a');
    assert.deepEqual(await flagsIn('production'), []);
    await reactTo('project.flag-created');
    const { length } = log.events;
    await reactTo('project.flag-created');
    assert.equal(log.events.length, length);
    assert.deepEqual([await flagsIn('development'), await flagsIn('production')], [['a'], ['a']]);
  });

  test('is brought there by the retry of who made it, and by nothing else under the same key', async () => {
    const { create, deps, atProject, full, tenant, flagsIn, log } = await spreadingWorld();
    const first = await create('a', 'k');
    const again = await create('a', 'k');
    assert.ok(again.replayed);
    assert.deepEqual(again.state.flags.get('a'), first.state.flags.get('a'));
    for (let time = 0; time < 2; time++) {
      await spread(deps, spreadOf(atProject('k')), tenant, again.state, { flags: ['a'] });
    }
    assert.deepEqual(await flagsIn('production'), ['a']);
    assert.equal(log.events.filter(({ type }) => type === 'flag.added').length, 2);
    const other = await createFlag(deps, { ...atProject('k'), requestDigest: 'other' }, full('b'));
    assert.equal(other.kind === 'rejected' && other.rejection.code, 'idempotency_mismatch');
  });
});

test('an environment begun by halves gets every flag, though more were made meanwhile', async () => {
  const { create, reactTo, flagsIn, deps, done, atProject, types, tenant, log, clock } =
    await spreadingWorld();
  const keys = Array.from({ length: 150 }, (_, n) => `m-${String(n).padStart(3, '0')}`);
  for (const key of keys) await create(key);
  const input = { project: PROJECT, environment: 'staging', name: null, approvalsRequired: 0 };
  done(await addEnvironment(deps, atProject(), input));
  let appends = 0;
  const failing = {
    ...log,
    async append(...args: Parameters<typeof log.append>) {
      if (++appends > 1) throw new Error('the log is away');
      return log.append(...args);
    },
  };
  const half = reactTo('project.environment-added', { ...deps, log: failing as typeof log });
  const failed = assert.rejects(half, /away/);
  await clock.advance(1_000);
  await failed;
  assert.equal((await flagsIn('staging')).length, 100);
  // They sort before and among the others, so that each portion is another one than before.
  const later = ['a-1', 'a-2', 'm-050x', 'z'];
  for (const key of later) {
    await create(key);
    await reactTo('project.flag-created');
  }
  await reactTo('project.environment-added');
  await reactTo('project.environment-added');
  assert.deepEqual(await flagsIn('staging'), [...keys, ...later].sort());
  assert.equal(types('staging').filter((type) => type === 'flag.added').length, keys.length + later.length);
  assert.equal(log.events.at(-1)!.stream === projectStream(tenant, PROJECT), false);
});

describe('an environment with an event that cannot be read', () => {
  test('keeps no other waiting, and gets what it lacks once an operator has had it go on', async () => {
    const { create, deps, reactTo, flagsIn, at, tenant, flag, types } = await spreadingWorld();
    await flag('old');
    const stream = environmentStream(tenant, PROJECT, 'production');
    const spoiled = types().length;
    let isMended = false;
    const codec = spoiledCodec(
      deps.codec,
      (event) => !isMended && event.stream === stream && event.version === spoiled,
    );
    const parked = { ...deps, codec, hotFolds: new HotFolds() };
    await create('a');
    await reactTo('project.flag-created', parked);
    assert.deepEqual(await flagsIn('development'), ['a', 'old']);
    assert.deepEqual(await flagsIn('production'), ['old']);
    const { state } = await create('b');
    const results = await spread(parked, spreadOf(at('production')), tenant, state, { flags: ['b'] });
    assert.deepEqual(
      results.map(({ environment, rejection }) => [environment, rejection?.code]),
      [
        ['development', undefined],
        ['production', 'stream_parked'],
      ],
    );
    const asked = await requestOnParked(parked, at('production'), stream, {
      type: 'projection.replay-requested',
      data: { projection: 'flags' },
    });
    assert.equal(asked.kind, 'accepted');
    isMended = true;
    await reactTo('projection.replay-requested', parked);
    assert.deepEqual(await flagsIn('production'), ['a', 'b', 'old']);
  });
});
