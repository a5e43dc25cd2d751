import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { createFlagSchema } from '../../schemas/commands/projects.ts';
import { flagsWorld, PROJECT } from '../../test/support/flags-world.ts';
import type { Outcome } from '../execute.ts';
import { addEnvironment } from './add-environment.ts';
import { archiveFlag } from './archive-flag.ts';
import { changeFlag } from './change-flag.ts';
import { changeSegment } from './change-segment.ts';
import { copyFlag } from './copy-flag.ts';
import { createFlag } from './create-flag.ts';
import { createProject } from './create-project.ts';
import { killFlag } from './kill-flag.ts';
import { rollbackFlag } from './rollback-flag.ts';
import { setApprovals } from './set-approvals.ts';
import { spread, spreadOf } from './spread.ts';
import { updateFlag } from './update-flag.ts';

const on: FlagEdit = { edit: 'set_mode', mode: 'on' };
const off: FlagEdit = { edit: 'set_mode', mode: 'off' };
const ramp = (exposure: number): FlagEdit => ({
  edit: 'set_fallthrough',
  fallthrough: { rollout: { by: 'targetingKey', exposure, weights: [{ variant: 'on', weight: 1 }] } },
});
const inProduction = { project: PROJECT, environment: 'production' };

function refused(outcome: Outcome<unknown>, code: string): string {
  assert.equal(outcome.kind === 'rejected' ? outcome.rejection.code : 'accepted', code);
  return outcome.kind === 'rejected' ? outcome.rejection.detail : '';
}

describe('projects and their environments', () => {
  test('a key is taken once, and a retry is answered as before', async () => {
    const { deps, context, atProject } = await flagsWorld();
    const create = (key: string) =>
      createProject(deps, context('projects/blog', key), { project: 'blog', name: 'Blog' });
    const [first, again] = [await create('k'), await create('k')];
    assert.ok(first.kind === 'accepted' && again.kind === 'accepted' && again.replayed);
    refused(await create('other'), 'already_exists');
    const environment = { project: PROJECT, environment: 'production', name: null, approvalsRequired: 0 };
    refused(await addEnvironment(deps, atProject(), environment), 'already_exists');
    refused(await addEnvironment(deps, atProject(), { ...environment, project: 'none' }), 'not_found');
  });

  test('an environment that comes later has every flag, once, however often it is spread', async () => {
    const { deps, atProject, done, flag, tenant, environment, types } = await flagsWorld();
    await flag('new-checkout');
    await flag('dark-mode');
    const input = { project: PROJECT, environment: 'staging', name: null, approvalsRequired: 2 };
    const { state } = done(await addEnvironment(deps, atProject(), input));
    for (let time = 0; time < 3; time++) {
      const results = await spread(deps, spreadOf(atProject()), tenant, state, { environments: ['staging'] });
      assert.deepEqual(results, [{ environment: 'staging', rejection: null }]);
    }
    assert.deepEqual(types('staging'), ['environment.created', 'flag.added', 'flag.added']);
    assert.equal((await environment('staging')).approvalsRequired, 2);
  });

  test('flags too large for one append are spread in several', async () => {
    const { flag, deps, atProject, done, tenant, types } = await flagsWorld();
    const variants = Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`v${n}`, 'x'.repeat(20_000)]));
    for (let n = 0; n < 5; n++) {
      await flag(`large-${n}`, { type: 'string', variants, offVariant: 'v0' });
    }
    const input = { project: PROJECT, environment: 'staging', name: null, approvalsRequired: 0 };
    const { state } = done(await addEnvironment(deps, atProject(), input));
    const [result] = await spread(deps, spreadOf(atProject()), tenant, state, { environments: ['staging'] });
    assert.equal(result!.rejection, null);
    assert.equal(types('staging').filter((type) => type === 'flag.added').length, 5);
  });
});

describe('a flag', () => {
  test('is made off in every environment, boolean unless said otherwise, with a seed of its own', async () => {
    const { flag, environment } = await flagsWorld();
    const made = await flag('new-checkout');
    const other = await flag('dark-mode');
    assert.notEqual(made.beginning.seed, other.beginning.seed);
    for (const name of ['development', 'production']) {
      const there = (await environment(name)).flags.get('new-checkout')!;
      assert.equal(there.seed, made.beginning.seed);
      assert.deepEqual(there.variants, { on: true, off: false });
      assert.equal(there.settings.mode, 'off');
      assert.equal(there.settings.offVariant, 'off');
      assert.equal(there.revision, 1);
    }
  });

  test('needs variants of its type, and off and on among them', async () => {
    const { deps, atProject } = await flagsWorld();
    const create = (input: object) =>
      createFlag(deps, atProject(), { ...createFlagSchema.parse({ flag: 'f', ...input }), project: PROJECT });
    const faults = [
      [{ type: 'string' }, 'variants'],
      [{ variants: { on: 1 } }, 'variants.on'],
      [{ type: 'string', variants: { red: 'r' } }, 'offVariant'],
      [{ offVariant: 'none' }, 'offVariant'],
      [{ onVariant: 'none' }, 'onVariant'],
      [{ permanent: true, expiresAt: '2027-01-01T00:00:00Z' }, 'expiresAt'],
      [{ jsonSchema: { type: 'object' } }, 'jsonSchema'],
      [
        {
          type: 'json',
          variants: { a: { size: 'large' } },
          offVariant: 'a',
          jsonSchema: { type: 'object', properties: { size: { type: 'number' } } },
        },
        'jsonSchema',
      ],
    ] as const;
    for (const [input, field] of faults) {
      const outcome = await create(input);
      refused(outcome, 'invalid_request');
      assert.equal(outcome.kind === 'rejected' && outcome.rejection.errors![0]!.field, field);
    }
  });

  test('is changed part by part, and the event holds what was changed and no more', async () => {
    const { flag, change, environment, log, done } = await flagsWorld();
    await flag('new-checkout');
    done(await change('new-checkout', [on, ramp(25_000)]));
    const { settings, revision } = (await environment()).flags.get('new-checkout')!;
    assert.equal(settings.mode, 'on');
    assert.deepEqual(
      settings.fallthrough,
      ramp(25_000).edit === 'set_fallthrough' && {
        rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
      },
    );
    assert.equal(revision, 2);
    const recorded = JSON.parse(Buffer.from(log.events.at(-1)!.data).toString());
    assert.deepEqual(Object.keys(recorded.parts).sort(), ['fallthrough', 'mode']);
    const again = done(await change('new-checkout', [on]));
    assert.equal(again.position, null);
    assert.equal((await environment('development')).flags.get('new-checkout')!.revision, 1);
  });

  test('counts its own revisions: a change of another flag is none of it', async () => {
    const { flag, change, deps, at, done, environment } = await flagsWorld();
    await flag('a');
    await flag('b');
    done(await change('b', [on]));
    const input = { ...inProduction, flag: 'a', edits: [on], reason: null };
    done(await changeFlag(deps, at('production'), { ...input, ifRevision: 1 }));
    refused(
      await changeFlag(deps, at('production'), { ...input, edits: [off], ifRevision: 1 }),
      'precondition_failed',
    );
    assert.equal((await environment()).flags.get('a')!.revision, 2);
  });

  test('is not changed to what cannot be compiled', async () => {
    const { flag, change, done } = await flagsWorld();
    await flag('a');
    await flag('b');
    const requires = (name: string, variant = 'on'): FlagEdit => ({
      edit: 'set_prerequisites',
      prerequisites: [{ flag: name, variants: [variant] }],
    });
    assert.match(refused(await change('a', [requires('none')]), 'invalid_request'), /none is no flag/);
    assert.match(refused(await change('a', [requires('b', 'blue')]), 'invalid_request'), /no variant blue/);
    done(await change('a', [on, requires('b')]));
    assert.match(refused(await change('b', [on, requires('a')]), 'invalid_request'), /circle/);
    const matches: FlagEdit = {
      edit: 'put_rule',
      rule: {
        id: 'r',
        when: { attribute: 'mail', is: 'matches', value: '(?<=a)b' },
        serve: { variant: 'on' },
      },
    };
    refused(await change('a', [matches]), 'invalid_request');
    const renamed: FlagEdit = { edit: 'set_variants', variants: { yes: true, off: false } };
    const moved: FlagEdit = { edit: 'set_fallthrough', fallthrough: { variant: 'yes' } };
    assert.match(refused(await change('b', [renamed, moved]), 'invalid_request'), /flag a.*no variant on/);
  });

  test('is killed with a reason, whatever approvals are asked for, and only an approved change brings it back', async () => {
    const { deps, at, flag, change, environment, done, text } = await flagsWorld();
    await flag('a');
    done(await change('a', [on]));
    done(await setApprovals(deps, at('production'), { ...inProduction, approvalsRequired: 1 }));
    refused(await change('a', [off]), 'approval_required');
    const kill = { ...inProduction, flag: 'a', reason: 'checkout fails' };
    done(await killFlag(deps, at('production'), kill));
    assert.equal((await environment()).flags.get('a')!.settings.mode, 'killed');
    assert.equal(done(await killFlag(deps, at('production'), kill)).position, null);
    refused(await change('a', [on]), 'approval_required');
    refused(
      await rollbackFlag(deps, at('production'), { ...inProduction, flag: 'a', revision: 2, reason: null }),
      'approval_required',
    );
    assert.ok(text().includes('checkout fails'));
  });

  test('is changed through no door without the approvals that are asked for', async () => {
    const { deps, at, flag, change, environment, done } = await flagsWorld();
    await flag('a');
    await flag('gone');
    done(await change('a', [on]));
    done(await change('a', [ramp(1)], 'development'));
    const aim = { ...inProduction, flag: 'a', reason: null };
    const segment = { ...inProduction, segment: 's', reason: null };
    const when = { attribute: 'plan', is: 'exists', value: true } as const;
    done(await changeSegment(deps, at('production'), { ...segment, when }));
    done(await archiveFlag(deps, at('production'), { ...aim, flag: 'gone', archived: true }));
    done(await setApprovals(deps, at('production'), { ...inProduction, approvalsRequired: 1 }));
    const before = await environment();
    for (const outcome of [
      await changeFlag(deps, at('production'), { ...aim, edits: [off] }),
      await copyFlag(deps, at('production'), { ...aim, from: 'development' }),
      await rollbackFlag(deps, at('production'), { ...aim, revision: 1 }),
      await archiveFlag(deps, at('production'), { ...aim, archived: true }),
      await archiveFlag(deps, at('production'), { ...aim, flag: 'gone', archived: false }),
      await changeSegment(deps, at('production'), { ...segment, when: null }),
      await changeSegment(deps, at('production'), { ...segment, segment: 'other', when }),
    ]) {
      refused(outcome, 'approval_required');
    }
    assert.equal((await environment()).version, before.version);
    // What is new is off, and changes no answer that was there.
    await flag('new');
    assert.equal((await environment()).flags.get('new')!.settings.mode, 'off');
    assert.equal((await environment()).approvalsRequired, 1);
  });

  test('goes back to any revision, as a new one', async () => {
    const { deps, at, flag, change, environment, done } = await flagsWorld();
    await flag('a');
    done(await change('a', [on, ramp(25_000)]));
    done(await change('a', [ramp(50_000)]));
    done(await killFlag(deps, at('production'), { ...inProduction, flag: 'a', reason: 'r' }));
    const back = (revision: number) =>
      rollbackFlag(deps, at('production'), { ...inProduction, flag: 'a', revision, reason: null });
    done(await back(2));
    const { settings, revision } = (await environment()).flags.get('a')!;
    assert.equal(settings.mode, 'on');
    assert.deepEqual(settings.fallthrough, {
      rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
    });
    assert.equal(revision, 5);
    assert.equal(done(await back(5)).position, null);
    refused(await back(9), 'invalid_request');
  });

  test('is copied from another environment, seed and all', async () => {
    const { deps, at, flag, change, environment, done } = await flagsWorld();
    await flag('a');
    done(await change('a', [on, ramp(10_000)], 'development'));
    const copy = { ...inProduction, flag: 'a', reason: null };
    done(await copyFlag(deps, at('production'), { ...copy, from: 'development' }));
    const [from, to] = [await environment('development'), await environment()];
    assert.deepEqual(to.flags.get('a')!.settings, from.flags.get('a')!.settings);
    assert.equal(to.flags.get('a')!.seed, from.flags.get('a')!.seed);
    refused(await copyFlag(deps, at('production'), { ...copy, from: 'nowhere' }), 'invalid_request');
  });

  test('is archived unless another requires it, and restored as it was', async () => {
    const { deps, at, flag, change, environment, done } = await flagsWorld();
    await flag('a');
    await flag('b');
    const prerequisites = [{ flag: 'b', variants: ['on'] }];
    done(await change('a', [{ edit: 'set_prerequisites', prerequisites }]));
    const archive = (name: string, archived: boolean) =>
      archiveFlag(deps, at('production'), { ...inProduction, flag: name, archived, reason: null });
    assert.match(refused(await archive('b', true), 'conflict'), /Flag a requires/);
    done(await archive('a', true));
    refused(await change('a', [on]), 'conflict');
    done(await archive('b', true));
    refused(await archive('a', false), 'invalid_request');
    done(await archive('b', false));
    done(await archive('a', false));
    assert.deepEqual((await environment()).flags.get('a')!.settings.prerequisites, prerequisites);
  });

  test('is described and moved through its life without a change of any answer', async () => {
    const { deps, atProject, flag, done, types } = await flagsWorld();
    await flag('a');
    const before = types().length;
    const update = (input: object) =>
      updateFlag(deps, atProject(), { project: PROJECT, flag: 'a', ...input });
    const { state } = done(await update({ lifecycle: 'live', tags: ['q4'], name: 'A', description: null }));
    assert.equal(state.flags.get('a')!.lifecycle, 'live');
    assert.deepEqual(state.flags.get('a')!.tags, ['q4']);
    assert.equal(state.flags.get('a')!.revision, 4);
    assert.equal(done(await update({ lifecycle: 'live' })).position, null);
    refused(await update({ ifRevision: 1, kind: 'ops' }), 'precondition_failed');
    assert.equal(types().length, before);
  });
});

describe('a segment', () => {
  const when = { attribute: 'plan', is: 'equals', value: 'pro' } as const;
  test('is made, changed and removed, and never taken from under a rule', async () => {
    const { deps, at, flag, change, environment, done } = await flagsWorld();
    await flag('a');
    const put = (input: object) =>
      changeSegment(deps, at('production'), {
        ...inProduction,
        segment: 'pro',
        when,
        reason: null,
        ...input,
      });
    done(await put({}));
    assert.equal(done(await put({})).position, null);
    const rule: FlagEdit = {
      edit: 'put_rule',
      rule: { id: 'r', when: { segment: 'pro' }, serve: { variant: 'on' } },
    };
    done(await change('a', [rule]));
    assert.match(refused(await put({ when: null }), 'invalid_request'), /no segment pro/);
    refused(await put({ segment: 'loop', when: { segment: 'loop' } }), 'invalid_request');
    done(await change('a', [{ edit: 'remove_rule', id: 'r' }]));
    done(await put({ when: null }));
    assert.equal((await environment()).segments.size, 0);
    refused(await put({ when: null }), 'not_found');
  });
});
