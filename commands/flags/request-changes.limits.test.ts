import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestedCommand } from '../../schemas/commands/change-requests.ts';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { aim, change, gated, on, ramp, refused } from '../../test/support/gated-environment.ts';
import { environmentStream } from '../streams.ts';
import {
  applyChangeRequest,
  approveChangeRequest,
  closeChangeRequest,
  editChangeRequest,
  openChangeRequest,
  requestIdOf,
} from './request-changes.ts';

/** About 200 KiB of them. */
const manyTargets = (letter: string): FlagEdit => {
  const keys = Array.from({ length: 500 }, (_, i) => `${i}`.padEnd(400, letter));
  return { edit: 'set_targets', targets: [{ variant: 'on', keys }] };
};
const noTargets: FlagEdit = { edit: 'set_targets', targets: [] };

test('what is too large for one append is refused when it is written, and nothing is done', async () => {
  const { flag, change: direct, open, opened, apply, done, log } = await gated(0);
  const flags = ['c', 'd', 'e', 'f', 'g'];
  for (const key of flags) {
    await flag(key);
    done(await direct(key, [manyTargets('x')]));
    done(await direct(key, [noTargets]));
  }
  const back = flags.map((key): RequestedCommand => ({ do: 'rollback', flag: key, revision: 2 }));
  const before = log.events.length;
  refused((await open(back)).outcome, 'event_too_large');
  assert.equal(log.events.length, before);
  done(await apply(await opened(back.slice(1))));
  // It holds both what is wanted and what is there.
  refused((await open([change('g', manyTargets('y'))])).outcome, 'event_too_large');
  assert.equal(log.events.length, before + 1 + 5);
});

test('a retry is answered with what the command did, whatever became of the request since', async () => {
  const { deps, at, done, environment } = await gated(1);
  const commands = [change('a', on)];
  const write = { ...aim, title: null, commands, ownerId: 'ann' };
  const context = at('production', 'open');
  const request = requestIdOf(context);
  const hash = async () => (await environment()).requests.get(request)!.hash;
  const open = () => openChangeRequest(deps, at('production', 'open'), write);
  const edit = () => {
    const again = { ...write, request, commands: [change('a', on, ramp(1_000))], ifRevision: 1 };
    return editChangeRequest(deps, at('production', 'edit'), again);
  };
  done(await open());
  done(await edit());
  const of = await hash();
  const approve = () =>
    approveChangeRequest(deps, at('production', 'approve'), { ...aim, request, ownerId: 'bob', hash: of });
  const apply = () =>
    applyChangeRequest(deps, at('production', 'apply'), { ...aim, request, reason: null, ifRevision: 3 });
  done(await approve());
  done(await apply());
  const first = [await open(), await edit(), await approve(), await apply()].map(done);
  assert.deepEqual(
    first.map(({ replayed, state }) => {
      const known = state.requests.get(request);
      return [replayed, known?.revision ?? null, known?.approvers ?? null];
    }),
    [
      [true, 1, []],
      [true, 2, []],
      [true, 3, ['bob']],
      [true, null, null],
    ],
  );
  // The same key opens no second one, and what is closed stays so.
  const close = { ...aim, request, outcome: 'rejected' as const, reason: null };
  refused(await closeChangeRequest(deps, at('production', 'close'), close), 'not_found');
  const changed = { ...at('production', 'apply'), requestDigest: 'another' };
  refused(await applyChangeRequest(deps, changed, { ...aim, request, reason: null }), 'idempotency_mismatch');
  assert.equal((await environment()).requests.size, 0);
});

test('each environment that is named is read once, and none where no revision is named', async () => {
  const { deps, at, done, tenant, approve, change: direct } = await gated(1);
  done(await direct('a', [on], 'development'));
  const reads: string[] = [];
  const log = {
    ...deps.log,
    readStream: (...asked: Parameters<typeof deps.log.readStream>) => {
      if (asked[1] === undefined) reads.push(asked[0]);
      return deps.log.readStream(...asked);
    },
  };
  const watched = { ...deps, log };
  const run = async (commands: RequestedCommand[]) => {
    const context = at('production');
    const request = requestIdOf(context);
    done(await openChangeRequest(watched, context, { ...aim, title: null, commands, ownerId: 'ann' }));
    done(await approve(request, 'bob'));
    done(await applyChangeRequest(watched, at('production'), { ...aim, request, reason: null }));
    return reads.splice(0);
  };
  const [production, development] = ['production', 'development'].map((name) =>
    environmentStream(tenant, aim.project, name),
  );
  assert.deepEqual(await run([change('b', on)]), []);
  const copies: RequestedCommand[] = ['a', 'b'].map((flag) => ({ do: 'copy', flag, from: 'development' }));
  const backs: RequestedCommand[] = ['a', 'b'].map((flag) => ({ do: 'rollback', flag, revision: 1 }));
  const [open, apply] = [
    [development, production],
    [development, production],
  ];
  assert.deepEqual(await run([...copies, ...backs]), [...open!, ...apply!]);
});
