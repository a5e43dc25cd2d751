import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { flagsWorld, PROJECT } from '../../test/support/flags-world.ts';
import { spoiledCodec } from '../../test/support/spoiled-codec.ts';
import { environmentStream } from '../streams.ts';
import { archiveFlag } from './archive-flag.ts';
import { changeFlag } from './change-flag.ts';
import { changeSegment } from './change-segment.ts';
import { flagInEnvironmentView } from './flag-view.ts';
import { killFlag } from './kill-flag.ts';

const IN_PRODUCTION = { project: PROJECT, environment: 'production' };
const on: FlagEdit = { edit: 'set_mode', mode: 'on' };

/** A world in which events of the environment can be spoiled. */
async function parkedWorld() {
  const world = await flagsWorld();
  const { log, at, tenant } = world;
  const stream = environmentStream(tenant, PROJECT, 'production');
  const bad = new Set<number>();
  const codec = spoiledCodec(world.deps.codec, (event) => event.stream === stream && bad.has(event.version));
  const deps = { ...world.deps, codec };
  const events = () => log.events.filter((event) => event.stream === stream);
  return {
    ...world,
    deps,
    events,
    spoilLast: () => bad.add(events().length),
    spoil: (version: number) => bad.add(version),
    kill: (flag: string, key?: string) =>
      killFlag(deps, at('production', key), { ...IN_PRODUCTION, flag, reason: 'checkout fails' }),
  };
}

describe('a flag of an environment with an event that cannot be read', () => {
  test('is killed where everything else is refused, behind that event', async () => {
    const { flag, change, done, spoilLast, kill, deps, at, events } = await parkedWorld();
    await flag('a');
    await flag('b');
    done(await change('a', [on]));
    done(await change('b', [on]));
    spoilLast();
    const edits = { ...IN_PRODUCTION, flag: 'a', edits: [on], reason: null };
    await assert.rejects(changeFlag(deps, at('production'), edits), /stream_parked/);
    const { state, version, replayed } = done(await kill('a'));
    assert.deepEqual([version, replayed], [events().length, false]);
    assert.equal(events().at(-1)!.type, 'flag.killed');
    const view = flagInEnvironmentView(IN_PRODUCTION, state.flags.get('a')!, state);
    assert.deepEqual([view.flag, view.mode, view.revision], ['a', 'killed', 3]);
    await assert.rejects(changeFlag(deps, at('production'), edits), /stream_parked/, 'and still is');
  });

  test('is killed once by one command, and again only where what cannot be read may have brought it back', async () => {
    const { flag, change, done, spoilLast, kill, events } = await parkedWorld();
    await flag('a');
    done(await change('a', [on]));
    done(await kill('a', 'first'));
    done(await change('a', [on]));
    spoilLast();
    const before = events().length;
    const first = done(await kill('a', 'first'));
    assert.ok(first.replayed, 'it was killed by this command before');
    assert.equal(events().length, before);
    const second = done(await kill('a', 'second'));
    assert.equal(second.version, before + 1);
    assert.ok(done(await kill('a', 'second')).replayed);
    const third = done(await kill('a', 'third'));
    assert.deepEqual([third.position, events().length], [null, before + 1]);
  });

  test('is killed though it is archived, or refers to what cannot be read', async () => {
    const { flag, change, done, spoil, spoilLast, kill, deps, at, events } = await parkedWorld();
    await flag('a');
    const when = { attribute: 'plan', is: 'equals', value: 'pro' } as const;
    const segment = { ...IN_PRODUCTION, segment: 'pro', when, reason: null };
    done(await changeSegment(deps, at('production'), segment));
    const put = events().length;
    const rule = { id: 'r', when: { segment: 'pro' }, serve: { variant: 'on' } } as const;
    done(await change('a', [{ edit: 'put_rule', rule }]));
    done(
      await archiveFlag(deps, at('production'), {
        ...IN_PRODUCTION,
        flag: 'a',
        archived: true,
        reason: null,
      }),
    );
    done(
      await archiveFlag(deps, at('production'), {
        ...IN_PRODUCTION,
        flag: 'a',
        archived: false,
        reason: null,
      }),
    );
    spoil(put);
    spoilLast();
    const { state } = done(await kill('a'));
    assert.equal(state.flags.get('a')!.settings.mode, 'killed');
    assert.equal(state.flags.get('a')!.archived, true);
    const view = flagInEnvironmentView(IN_PRODUCTION, { ...state.flags.get('a')!, archived: false }, state);
    assert.match(view.notInFlagd.join(), /pro/);
  });

  test('is as parked as before where its own beginning is what cannot be read, and none to another tenant', async () => {
    const { flag, spoilLast, kill, events, deps, at } = await parkedWorld();
    await flag('a');
    spoilLast();
    const before = events().length;
    await assert.rejects(kill('a'), /stream_parked/);
    await assert.rejects(kill('never-made'), /stream_parked/);
    const other = { ...at('production'), tenant: `tnt_${'f'.repeat(32)}` as TenantId };
    const outcome = await killFlag(deps, other, { ...IN_PRODUCTION, flag: 'a', reason: 'r' });
    assert.equal(outcome.kind === 'rejected' && outcome.rejection.code, 'not_found');
    assert.equal(events().length, before);
  });
});
