import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RequestedCommand } from '../../schemas/commands/change-requests.ts';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { aim, gated, on, ramp } from '../../test/support/gated-environment.ts';
import { archiveFlag } from './archive-flag.ts';
import type { ChangeRequest } from './change-request.ts';
import { changeSegment } from './change-segment.ts';
import { copyFlag } from './copy-flag.ts';
import type { EnvironmentState } from './environment-state.ts';
import { difference } from './flag-parts.ts';
import { killFlag } from './kill-flag.ts';
import { rollbackFlag } from './rollback-flag.ts';
import { setApprovals } from './set-approvals.ts';

const owner = fc.constantFrom('ann', 'bob', 'cat', null);
const flag = fc.constantFrom('a', 'b');
const edit: fc.Arbitrary<FlagEdit> = fc.oneof(
  fc.constantFrom(on, { edit: 'set_mode', mode: 'off' } as const),
  fc.nat(3).map((n) => ramp(n * 10_000)),
  fc.constantFrom('r', 's').map(
    (id): FlagEdit => ({
      edit: 'put_rule',
      rule: { id, when: { attribute: 'x', is: 'exists', value: true }, serve: { variant: 'on' } },
    }),
  ),
  fc.constantFrom('r', 's').map((id): FlagEdit => ({ edit: 'remove_rule', id })),
);
const command: fc.Arbitrary<RequestedCommand> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      flag,
      edits: fc.array(edit, { minLength: 1, maxLength: 2 }),
    }),
  },
  fc.record({ do: fc.constant('rollback' as const), flag, revision: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('copy' as const), flag, from: fc.constant('development') }),
  fc.record({ do: fc.constantFrom('archive' as const, 'restore' as const), flag }),
  fc.record({
    do: fc.constant('put_segment' as const),
    segment: fc.constant('s'),
    when: fc.nat(2).map((value) => ({ attribute: 'n', is: 'equals', value }) as const),
  }),
);
const commands = fc.array(command, { minLength: 1, maxLength: 3 });
/** Of those that are open, in turn. */
const nth = fc.nat(3);
const step = fc.oneof(
  fc.record({ step: fc.constant('open' as const), owner, commands }),
  fc.record({ step: fc.constant('edit' as const), owner, commands, nth }),
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant('approve' as const),
      owner,
      nth,
      stale: fc.nat(7).map((n) => n === 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ step: fc.constant('apply' as const), nth }) },
  fc.record({ step: fc.constant('kill' as const), flag }),
  fc.record({ step: fc.constant('direct' as const), flag, command }),
  fc.record({ step: fc.constant('elsewhere' as const), flag, edit }),
  fc.record({ step: fc.constant('asks' as const), n: fc.integer({ min: 1, max: 2 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type World = Awaited<ReturnType<typeof gated>>;

/** What was said and done about one request, as somebody beside it would write it down. */
interface Noted {
  readonly writers: Set<string | null>;
  /** Of what it says now. */
  approvers: Set<string>;
  /** What the environment was when it was written last. */
  was: EnvironmentState;
}

async function directly({ deps, at, change }: World, one: RequestedCommand) {
  const context = at('production');
  const to = { ...aim, reason: null };
  switch (one.do) {
    case 'change':
      return change(one.flag, one.edits);
    case 'rollback':
      return rollbackFlag(deps, context, { ...to, ...one });
    case 'copy':
      return copyFlag(deps, context, { ...to, ...one });
    case 'archive':
    case 'restore':
      return archiveFlag(deps, context, { ...to, flag: one.flag, archived: one.do === 'archive' });
    case 'put_segment':
      return changeSegment(deps, context, { ...to, segment: one.segment, when: one.when });
    case 'remove_segment':
      return changeSegment(deps, context, { ...to, segment: one.segment, when: null });
  }
}

const answersOf = ({ flags, segments }: EnvironmentState) => ({
  flags: flags.toObject(),
  segments: segments.toObject(),
});

/** The parts that were changed of each flag. */
function changedParts(before: EnvironmentState, after: EnvironmentState): string[] {
  return [...after.flags.values()].flatMap((flag) =>
    difference(before.flags.get(flag.key)!, flag).map(({ part }) => `${flag.key} ${part}`),
  );
}

test('nothing changes the answers but a kill, and what as many others as are asked for have approved', async () => {
  let applied = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
      const world = await gated(1);
      const noted = new Map<string, Noted>();
      const hashes: string[] = [];
      for (const one of steps) {
        const before = await world.environment();
        const open = [...before.requests.values()];
        const request = 'nth' in one ? open[one.nth % open.length] : undefined;
        const accepted = await give(world, one, request, noted, hashes, before);
        const after = await world.environment();
        const killed = before.flags.map((flag) =>
          one.step === 'kill' && one.flag === flag.key && accepted
            ? {
                ...flag,
                settings: { ...flag.settings, mode: 'killed' as const },
                revision: after.flags.get(flag.key)!.revision,
              }
            : flag,
        );
        if (one.step !== 'apply' || !accepted) {
          assert.deepEqual(answersOf(after), answersOf({ ...before, flags: killed }));
          continue;
        }
        applied++;
        const { writers, approvers, was } = noted.get(request!.request)!;
        const others = [...approvers].filter((who) => !writers.has(who));
        assert.ok(others.length >= before.approvalsRequired, `${others} of ${before.approvalsRequired}`);
        // What it changes now is what it would have changed when it was written: nobody approved more.
        assert.deepEqual(
          changedParts(before, after).filter((part) => !changedParts(was, after).includes(part)),
          [],
        );
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(applied > 20, `${applied} were done`);
});

async function give(
  world: World,
  one: Step,
  request: ChangeRequest | undefined,
  noted: Map<string, Noted>,
  hashes: string[],
  was: EnvironmentState,
): Promise<boolean> {
  const { deps, at } = world;
  switch (one.step) {
    case 'open': {
      const { request: id, outcome } = await world.open(one.commands, one.owner);
      if (outcome.kind === 'rejected') return false;
      noted.set(id, { writers: new Set([one.owner]), approvers: new Set(), was });
      return true;
    }
    case 'edit': {
      if (!request) return false;
      hashes.push(request.hash);
      const { kind } = await world.edit(request.request, one.commands, one.owner);
      if (kind === 'rejected') return false;
      const note = noted.get(request.request)!;
      note.writers.add(one.owner);
      note.approvers = new Set();
      note.was = was;
      return true;
    }
    case 'approve': {
      if (!request) return false;
      const hash = one.stale ? hashes.at(-1) : undefined;
      const outcome = await world.approve(request.request, one.owner, hash);
      if (outcome.kind === 'rejected') return false;
      assert.ok(one.owner !== null);
      assert.equal(hash ?? request.hash, request.hash);
      noted.get(request.request)!.approvers.add(one.owner);
      return true;
    }
    case 'apply':
      return request !== undefined && (await world.apply(request.request)).kind === 'accepted';
    case 'kill':
      return (
        (await killFlag(deps, at('production'), { ...aim, flag: one.flag, reason: 'r' })).kind === 'accepted'
      );
    case 'direct':
      return (await directly(world, one.command)).kind === 'accepted';
    case 'elsewhere':
      return (await world.change(one.flag, [one.edit], 'development')).kind === 'accepted';
    case 'asks':
      world.done(await setApprovals(deps, at('production'), { ...aim, approvalsRequired: one.n }));
      return true;
  }
}
