import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { aim, change, gated, on, ramp, refused } from '../../test/support/gated-environment.ts';
import { compileBudget, faultOfFlags } from './check-environment.ts';
import { killFlag } from './kill-flag.ts';
import { closeChangeRequest } from './request-changes.ts';

test('a change that somebody else approved is done in one append, and names its request', async () => {
  const { opened, approve, apply, environment, done, log } = await gated();
  const request = await opened([change('a', on, ramp(25_000)), change('b', on)]);
  refused(await apply(request), 'approval_required');
  done(await approve(request, 'bob'));
  const before = log.events.length;
  done(await apply(request));
  assert.deepEqual(
    log.events.slice(before).map(({ type }) => type),
    ['flag.changed', 'flag.changed', 'change-request.applied'],
  );
  const changed = JSON.parse(Buffer.from(log.events[before]!.data).toString());
  assert.deepEqual(changed.cause, { kind: 'request', id: request, revision: null, environment: null });
  const state = await environment();
  assert.equal(state.flags.get('a')!.settings.mode, 'on');
  assert.equal(state.requests.size, 0);
  refused(await apply(request), 'not_found');
});

test('who wrote it, who edited it, and a key without an owner cannot approve it; nobody counts twice', async () => {
  const { opened, approve, apply, edit, done } = await gated(2);
  const request = await opened([change('a', on)]);
  refused(await approve(request, 'ann'), 'self_approval');
  refused(await approve(request, null), 'self_approval');
  done(await approve(request, 'bob'));
  assert.equal(done(await approve(request, 'bob')).position, null);
  refused(await apply(request), 'approval_required');
  done(await edit(request, [change('a', on, ramp(1_000))], 'bob'));
  refused(await approve(request, 'bob'), 'self_approval');
  refused(await approve(request, 'ann'), 'self_approval');
  done(await approve(request, 'cat'));
  done(await approve(request, 'dan'));
  done(await apply(request));
});

test('a key without an owner writes nothing that others must approve: its holder could be one of them', async () => {
  const { open, opened, edit } = await gated();
  refused((await open([change('a', on)], null)).outcome, 'self_approval');
  const request = await opened([change('a', on)]);
  refused(await edit(request, [change('b', on)], null), 'self_approval');
});

test('the commands of a request compile rules on one budget', async () => {
  const { environment, change: direct, done } = await gated(0);
  for (const key of ['a', 'b']) done(await direct(key, [on, ramp(10_000)]));
  const state = await environment();
  const whole = compileBudget();
  assert.equal(faultOfFlags(state, ['a', 'b'], whole), null);
  const spent = compileBudget().operatorsLeft - whole.operatorsLeft;
  assert.ok(spent > 0);
  const budget = { operatorsLeft: spent };
  assert.equal(faultOfFlags(state, ['a', 'b'], budget), null);
  assert.match(faultOfFlags(state, ['a'], budget) ?? '', /reaches more than/);
});

test('an edit voids the approvals, and an approval of what it said before counts for nothing', async () => {
  const { opened, approve, apply, edit, done, hashOf } = await gated();
  const request = await opened([change('a', on)]);
  const seen = await hashOf(request);
  done(await approve(request, 'bob'));
  done(await edit(request, [change('a', on, ramp(50_000))], 'ann'));
  refused(await apply(request), 'approval_required');
  refused(await approve(request, 'cat', seen), 'conflict');
  done(await approve(request, 'cat'));
  done(await apply(request));
});

test('what it rests on is compared part by part: a change elsewhere is none of it', async () => {
  const { opened, approve, apply, edit, done, deps, at, change: direct } = await gated();
  const rule: FlagEdit = {
    edit: 'put_rule',
    rule: { id: 'r', when: { attribute: 'x', is: 'exists', value: true }, serve: { variant: 'on' } },
  };
  const ofRule = await opened([change('a', rule)]);
  const ofMode = await opened([change('a', on)]);
  for (const request of [ofRule, ofMode]) done(await approve(request, 'bob'));
  done(await killFlag(deps, at('production'), { ...aim, flag: 'a', reason: 'r' }));
  done(await apply(ofRule));
  assert.match(refused(await apply(ofMode), 'conflict'), /commands\.0\.mode/);
  refused(await direct('a', [on]), 'approval_required');
  done(await edit(ofMode, [change('a', on)], 'ann'));
  done(await approve(ofMode, 'bob'));
  done(await apply(ofMode));
});

test('a later command of a request rests on what the one before it left', async () => {
  const { opened, approve, apply, environment, done } = await gated();
  const when = { attribute: 'plan', is: 'equals', value: 'pro' } as const;
  const request = await opened([
    { do: 'put_segment', segment: 'pro', when },
    change('a', on),
    change('a', {
      edit: 'put_rule',
      rule: { id: 'r', when: { segment: 'pro' }, serve: { variant: 'on' } },
    }),
    { do: 'archive', flag: 'b' },
    { do: 'rollback', flag: 'a', revision: 1 },
    { do: 'copy', flag: 'a', from: 'development' },
    { do: 'remove_segment', segment: 'pro' },
  ]);
  done(await approve(request, 'bob'));
  done(await apply(request));
  const state = await environment();
  assert.equal(state.flags.get('a')!.settings.mode, 'off');
  assert.ok(state.flags.get('b')!.archived);
  assert.equal(state.segments.size, 0);
});

test('a copy is of the revision that was there when it was written', async () => {
  const { opened, approve, apply, environment, done, change: direct, log } = await gated();
  done(await direct('a', [on, ramp(10_000)], 'development'));
  const request = await opened([{ do: 'copy', flag: 'a', from: 'development' }]);
  done(await direct('a', [ramp(90_000)], 'development'));
  done(await approve(request, 'bob'));
  done(await apply(request));
  const { fallthrough } = (await environment()).flags.get('a')!.settings;
  assert.deepEqual(fallthrough, (ramp(10_000) as Extract<FlagEdit, { edit: 'set_fallthrough' }>).fallthrough);
  const changed = JSON.parse(Buffer.from(log.events.at(-2)!.data).toString());
  assert.deepEqual(changed.cause, { kind: 'request', id: request, revision: 2, environment: 'development' });
});

test('what could not be done is refused when it is written, with the field; closed ones are gone', async () => {
  const { open, opened, apply, deps, at, done } = await gated(0);
  const wrong = await open([change('a', on), change('b', { edit: 'remove_rule', id: 'none' })]);
  refused(wrong.outcome, 'invalid_request');
  const fields = wrong.outcome.kind === 'rejected' ? wrong.outcome.rejection.errors : [];
  assert.equal(fields![0]!.field, 'commands.1.edits.0.id');
  refused((await open([{ do: 'rollback', flag: 'a', revision: 9 }])).outcome, 'invalid_request');
  refused((await open([change('none', on)])).outcome, 'not_found');
  const request = await opened([change('a', on)], null);
  const close = { ...aim, request, outcome: 'withdrawn' as const, reason: null };
  done(await closeChangeRequest(deps, at('production'), close));
  refused(await apply(request), 'not_found');
  const another = await opened([change('a', on)], null);
  done(await apply(another));
});
