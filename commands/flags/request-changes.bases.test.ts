import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { aim, change, gated, on, ramp, refused } from '../../test/support/gated-environment.ts';
import type { Outcome } from '../execute.ts';
import { archiveFlag } from './archive-flag.ts';
import { changeSegment } from './change-segment.ts';
import { killFlag } from './kill-flag.ts';
import { rollbackFlag } from './rollback-flag.ts';
import { setApprovals } from './set-approvals.ts';

const rule = (id: string, variant = 'on', before?: string): FlagEdit => ({
  edit: 'put_rule',
  rule: { id, when: { attribute: id, is: 'exists', value: true }, serve: { variant } },
  ...(before !== undefined && { before }),
});

/** With what was done to the environment before it asked for approvals. */
async function gatedAfter(...edits: FlagEdit[]) {
  const world = await gated(0);
  if (edits.length > 0) world.done(await world.change('a', edits));
  world.done(await setApprovals(world.deps, world.at('production'), { ...aim, approvalsRequired: 1 }));
  return {
    ...world,
    /** Approved by somebody else, and not done yet. */
    async approved(...commands: Parameters<typeof world.opened>[0]) {
      const request = await world.opened(commands);
      world.done(await world.approve(request, 'bob'));
      return request;
    },
    async meanwhile(...commands: Parameters<typeof world.opened>[0]) {
      const request = await world.opened(commands, 'cat');
      world.done(await world.approve(request, 'bob'));
      world.done(await world.apply(request));
    },
    kill: async () =>
      world.done(await killFlag(world.deps, world.at('production'), { ...aim, flag: 'a', reason: 'r' })),
  };
}

function conflictsOf(outcome: Outcome<unknown>): unknown {
  refused(outcome, 'conflict');
  return outcome.kind === 'rejected' ? outcome.rejection.extra?.conflicts : undefined;
}

test('a rollback that was approved does not bring back a flag that was killed since', async () => {
  const { approved, apply, environment, kill } = await gatedAfter(on, ramp(10_000));
  // Revision 2 is on, as the flag is now: the mode is none of what differs.
  const request = await approved({ do: 'rollback', flag: 'a', revision: 2 });
  await kill();
  assert.deepEqual(conflictsOf(await apply(request)), [
    { part: 'commands.0.mode', before: 'on', after: 'killed' },
  ]);
  assert.equal((await environment()).flags.get('a')!.settings.mode, 'killed');
});

test('a copy that changed nothing when it was written changes nothing that nobody approved', async () => {
  const { approved, apply, environment, kill } = await gatedAfter();
  const request = await approved({ do: 'copy', flag: 'a', from: 'development' });
  await kill();
  const [conflict] = conflictsOf(await apply(request)) as { part: string; before: unknown }[];
  assert.deepEqual([conflict!.part, conflict!.before], ['commands.0.mode', 'off']);
  assert.equal((await environment()).flags.get('a')!.settings.mode, 'killed');
});

test('a part that has become what a rollback leads to is told as it is, not as gone', async () => {
  const { approved, apply, meanwhile } = await gatedAfter(on);
  const request = await approved({ do: 'rollback', flag: 'a', revision: 1 });
  await meanwhile(change('a', { edit: 'set_mode', mode: 'off' }));
  assert.deepEqual(conflictsOf(await apply(request)), [
    { part: 'commands.0.mode', before: 'on', after: 'off' },
  ]);
});

test('adding, removing and ordering rules rests on the rule and the order, and on nothing else', async () => {
  const elsewhere = [on, ramp(20_000), rule('r', 'off')];
  const another: FlagEdit = {
    edit: 'put_rule',
    rule: { id: 's', when: { attribute: 'x', is: 'exists', value: false }, serve: { variant: 'on' } },
  };
  const requests: [FlagEdit, FlagEdit[]][] = [
    [rule('new', 'on', 'r'), [{ edit: 'order_rules', ids: ['s', 'r'] }, rule('other')]],
    [{ edit: 'remove_rule', id: 's' }, [rule('s', 'off'), { edit: 'remove_rule', id: 's' }]],
    [{ edit: 'order_rules', ids: ['s', 'r'] }, [{ edit: 'remove_rule', id: 'r' }, rule('other')]],
    [rule('s', 'off'), [{ edit: 'remove_rule', id: 's' }, another]],
  ];
  for (const [edit, same] of requests) {
    const kept = await gatedAfter(rule('r'), rule('s'));
    const request = await kept.approved(change('a', edit));
    await kept.meanwhile(change('a', ...elsewhere));
    kept.done(await kept.apply(request));
    for (const other of same) {
      const { approved, meanwhile, apply } = await gatedAfter(rule('r'), rule('s'));
      const broken = await approved(change('a', edit));
      await meanwhile(change('a', other));
      assert.notEqual((conflictsOf(await apply(broken)) as unknown[]).length, 0);
    }
  }
});

test('what cannot be done any more is a conflict with what changed, and no fault of what is sent', async () => {
  const { approved, meanwhile, apply } = await gatedAfter(rule('r'));
  const removes = await approved(change('a', { edit: 'remove_rule', id: 'r' }));
  const segments = await approved(
    change('b', {
      edit: 'set_prerequisites',
      prerequisites: [{ flag: 'a', variants: ['on'] }],
    }),
  );
  await meanwhile(change('a', { edit: 'remove_rule', id: 'r' }));
  const parts = (conflictsOf(await apply(removes)) as { part: string }[]).map(({ part }) => part);
  assert.deepEqual(parts.sort(), ['commands.0.rule-order', 'commands.0.rule:r']);
  await meanwhile({ do: 'archive', flag: 'a' });
  assert.match(refused(await apply(segments), 'conflict'), /Command 0: .*prerequisite a is archived/);
});

test('a rollback to a revision at which the flag was archived is checked as any other', async () => {
  const { change: direct, deps, at, done, flag } = await gated(0);
  await flag('c');
  const archive = async (key: string, archived: boolean) =>
    done(await archiveFlag(deps, at('production'), { ...aim, flag: key, archived, reason: null }));
  const requires = (...flags: string[]): FlagEdit => ({
    edit: 'set_prerequisites',
    prerequisites: flags.map((one) => ({ flag: one, variants: ['on'] })),
  });
  done(await direct('a', [requires('c')]));
  await archive('a', true);
  await archive('a', false);
  done(await direct('a', [requires()]));
  await archive('c', true);
  const back = { ...aim, flag: 'a', revision: 3, reason: null };
  assert.match(
    refused(await rollbackFlag(deps, at('production'), back), 'invalid_request'),
    /prerequisite c is archived/,
  );
});

test('a flag that is archived where it would be copied from is not copied', async () => {
  const { open, deps, at, done } = await gatedAfter();
  const archive = { ...aim, environment: 'development', flag: 'a', archived: true, reason: null };
  done(await archiveFlag(deps, at('development'), archive));
  const { outcome } = await open([{ do: 'copy', flag: 'a', from: 'development' }]);
  assert.match(refused(outcome, 'conflict'), /archived in development/);
});

test('a segment that is put or removed rests on what it was, also where it was not', async () => {
  const when = { attribute: 'plan', is: 'equals', value: 'pro' } as const;
  const { approved, meanwhile, apply, done, deps, at } = await gatedAfter();
  const put = await approved({ do: 'put_segment', segment: 's', when });
  await meanwhile({ do: 'put_segment', segment: 's', when: { not: when } });
  assert.deepEqual(conflictsOf(await apply(put)), [
    { part: 'commands.0.when', before: null, after: { not: when } },
  ]);
  const remove = await approved({ do: 'remove_segment', segment: 's' });
  await meanwhile({ do: 'remove_segment', segment: 's' });
  assert.notEqual(conflictsOf(await apply(remove)), undefined);
  const direct = { ...aim, segment: 's', when, reason: null };
  refused(await changeSegment(deps, at('production'), direct), 'approval_required');
  done(await setApprovals(deps, at('production'), { ...aim, approvalsRequired: 0 }));
  done(await changeSegment(deps, at('production'), direct));
});

test('the approvals that count are those that the environment asks for when it is done', async () => {
  const { approved, approve, apply, deps, at, done } = await gatedAfter();
  const request = await approved(change('a', on));
  const asks = async (approvalsRequired: number) =>
    done(await setApprovals(deps, at('production'), { ...aim, approvalsRequired }));
  await asks(3);
  refused(await apply(request), 'approval_required');
  done(await approve(request, 'cat'));
  refused(await apply(request), 'approval_required');
  await asks(2);
  done(await apply(request));
});

test('restoring brings back what the flag was when that was approved, and nothing that was put in since', async () => {
  const { approved, meanwhile, apply, done, environment } = await gatedAfter(on);
  await meanwhile({ do: 'archive', flag: 'a' });
  const [kept, late] = [
    await approved({ do: 'restore', flag: 'a' }),
    await approved({ do: 'restore', flag: 'a' }),
  ];
  await meanwhile(change('b', on));
  done(await apply(kept));
  assert.equal((await environment()).flags.get('a')!.archived, false);
  await meanwhile(change('a', ramp(90_000)), { do: 'archive', flag: 'a' });
  const [conflict] = conflictsOf(await apply(late)) as { part: string }[];
  assert.equal(conflict!.part, 'commands.0.revision');
});
