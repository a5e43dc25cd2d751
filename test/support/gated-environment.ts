/** An environment whose changes need approvals, and who asks for them. */
import assert from 'node:assert/strict';
import type { Outcome } from '../../commands/execute.ts';
import {
  applyChangeRequest,
  approveChangeRequest,
  editChangeRequest,
  openChangeRequest,
  requestIdOf,
} from '../../commands/flags/request-changes.ts';
import { setApprovals } from '../../commands/flags/set-approvals.ts';
import type { RequestedCommand } from '../../schemas/commands/change-requests.ts';
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { flagsWorld, PROJECT } from './flags-world.ts';

export const aim = { project: PROJECT, environment: 'production' };
export const on: FlagEdit = { edit: 'set_mode', mode: 'on' };
export const ramp = (exposure: number): FlagEdit => ({
  edit: 'set_fallthrough',
  fallthrough: { rollout: { by: 'targetingKey', exposure, weights: [{ variant: 'on', weight: 1 }] } },
});
export const change = (flag: string, ...edits: FlagEdit[]): RequestedCommand => ({
  do: 'change',
  flag,
  edits,
});

export async function gated(approvalsRequired = 1) {
  const world = await flagsWorld();
  const { deps, at, done } = world;
  await world.flag('a');
  await world.flag('b');
  done(await setApprovals(deps, at('production'), { ...aim, approvalsRequired }));
  const open = async (commands: RequestedCommand[], ownerId: string | null = 'ann') => {
    const context = at('production');
    const input = { ...aim, title: null, commands, ownerId };
    return { request: requestIdOf(context), outcome: await openChangeRequest(deps, context, input) };
  };
  const hashOf = async (request: string) => (await world.environment()).requests.get(request)!.hash;
  return {
    ...world,
    open,
    hashOf,
    opened: async (commands: RequestedCommand[], ownerId: string | null = 'ann') => {
      const { request, outcome } = await open(commands, ownerId);
      done(outcome);
      return request;
    },
    approve: async (request: string, ownerId: string | null, hash?: string) =>
      approveChangeRequest(deps, at('production'), {
        ...aim,
        request,
        ownerId,
        hash: hash ?? (await hashOf(request)),
      }),
    apply: (request: string) => applyChangeRequest(deps, at('production'), { ...aim, request, reason: null }),
    edit: (request: string, commands: RequestedCommand[], ownerId: string | null) =>
      editChangeRequest(deps, at('production'), { ...aim, request, title: null, commands, ownerId }),
  };
}

export function refused(outcome: Outcome<unknown>, code: string): string {
  assert.equal(outcome.kind === 'rejected' ? outcome.rejection.code : 'accepted', code);
  return outcome.kind === 'rejected' ? outcome.rejection.detail : '';
}
