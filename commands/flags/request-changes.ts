/**
 * Four eyes: a change is written down, approved by others, and done in one append. An approval is of what
 * the request says, by its hash; who wrote it, by the owner of the key, cannot approve it.
 */
import type { CloseRequest, OpenRequest, RequestedCommand } from '../../schemas/commands/change-requests.ts';
import { MAX_OPEN_REQUESTS } from '../../schemas/commands/change-requests.ts';
import type { ChangeCause, EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import { decodeStream, ownEvents } from '../decode-stream.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { environmentStream } from '../streams.ts';
import { type ChangeRequest, type RecordedCommand, requestHash } from './change-request.ts';
import { changeEnvironment, type InEnvironment, noSuchEnvironment } from './environment-command.ts';
import {
  type EnvironmentFlag,
  type EnvironmentState,
  evolveEnvironment,
  noEnvironment,
} from './environment-state.ts';
import { type FlagDeps, staleRevision } from './project-command.ts';
import { changedBases, decideCommands, type Targets } from './requested-commands.ts';
import { flagAtRevision } from './rollback-flag.ts';

/** Who asks: the owner of the key. */
export interface Asker {
  readonly ownerId: string | null;
}

interface Resolved {
  readonly commands: readonly RecordedCommand[];
  readonly targets: Targets;
}

interface Aim extends InEnvironment {
  readonly request: string;
  readonly ifRevision?: number | undefined;
}

const noSuchRequest = reject({ code: 'not_found', detail: 'There is no such change request that is open.' });

/** The id derives from the command, so that a retry opens the same request. */
export function requestIdOf({ commandId }: CommandContext): string {
  return `chg_${commandId.replaceAll('-', '')}`;
}

export function decideOpenRequest(
  command: Pick<OpenRequest, 'title'> & Resolved & Asker & { readonly request: string },
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  if (state.environment === null) return noSuchEnvironment;
  if (state.requests.size >= MAX_OPEN_REQUESTS) {
    const detail = `An environment has at most ${MAX_OPEN_REQUESTS} open change requests.`;
    return reject({ code: 'conflict', detail });
  }
  return written('change-request.opened', command, state);
}

export function decideEditRequest(
  command: Pick<OpenRequest, 'title'> & Resolved & Asker & Aim,
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const request = openRequest(command, state);
  return 'reject' in request ? request : written('change-request.edited', command, state);
}

function written(
  type: 'change-request.opened' | 'change-request.edited',
  command: Pick<OpenRequest, 'title'> & Resolved & Asker & { readonly request: string },
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const { request, title, commands, targets, ownerId } = command;
  const decided = decideCommands(state, commands, targets, causeOf(request), null);
  if ('reject' in decided) return decided;
  const { bases } = decided;
  const hash = requestHash(commands, bases);
  const data = { request, title, commands, bases, hash, author: ownerId };
  return { accept: [{ type, data: data as unknown as Written }] };
}

type Written = Extract<EnvironmentEvent, { type: 'change-request.opened' }>['data'];

export function decideApproveRequest(
  command: Asker & Aim & { readonly hash: string },
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const request = openRequest(command, state);
  if ('reject' in request) return request;
  const { ownerId, hash } = command;
  if (hash !== request.hash) {
    return reject({ code: 'conflict', detail: 'The request was changed since: look at it again.' });
  }
  if (ownerId === null) {
    return reject({ code: 'self_approval', detail: 'A key without an owner cannot approve.' });
  }
  if (request.authors.includes(ownerId)) {
    return reject({ code: 'self_approval', detail: 'Who wrote a change request cannot approve it.' });
  }
  if (request.approvers.includes(ownerId)) return { accept: [] };
  const data = { request: request.request, hash, approver: ownerId };
  return { accept: [{ type: 'change-request.approved', data }] };
}

export function decideCloseRequest(
  command: CloseRequest & Aim,
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const request = openRequest(command, state);
  if ('reject' in request) return request;
  const { outcome, reason } = command;
  return { accept: [{ type: 'change-request.closed', data: { request: request.request, outcome, reason } }] };
}

export function decideApplyRequest(
  command: Aim & { readonly reason: string | null; readonly targets: Targets },
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const request = openRequest(command, state);
  if ('reject' in request) return request;
  const { approvalsRequired } = state;
  const { approvers } = request;
  if (approvers.length < approvalsRequired) {
    const detail = `It has ${approvers.length} of the ${approvalsRequired} approvals that it needs.`;
    return reject({ code: 'approval_required', detail, extra: { approvalsRequired } });
  }
  const { commands, bases, hash } = request;
  const decided = decideCommands(state, commands, command.targets, causeOf(request.request), command.reason);
  if ('reject' in decided) return decided;
  const conflicts = changedBases(bases, decided.bases);
  if (conflicts.length > 0) {
    return reject({
      code: 'conflict',
      detail: `What it rests on has changed since: ${conflicts[0]!.part}. Edit the request, and have it approved again.`,
      extra: { conflicts },
    });
  }
  const applied = { request: request.request, hash, approvers: [...approvers] };
  return { accept: [...decided.events, { type: 'change-request.applied', data: applied }] };
}

function openRequest(
  { request: id, ifRevision }: Pick<Aim, 'request' | 'ifRevision'>,
  state: EnvironmentState,
): ChangeRequest | ReturnType<typeof reject> {
  if (state.environment === null) return noSuchEnvironment;
  const request = state.requests.get(id);
  if (!request) return noSuchRequest;
  return staleRevision(ifRevision, request.revision) ?? request;
}

function causeOf(request: string): ChangeCause {
  return { kind: 'request', id: request, revision: null, environment: null };
}

/** `context` of each: at the environment's stream. */
export function openChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: OpenRequest & InEnvironment & Asker,
): Promise<Outcome<EnvironmentState>> {
  const request = requestIdOf(context);
  return requestCommand(deps, context, input, async () => {
    const resolved = await resolve(deps, context, input, input.commands);
    return (state) => decideOpenRequest({ ...input, ...resolved, request }, state);
  });
}

export function editChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: OpenRequest & Aim & Asker,
): Promise<Outcome<EnvironmentState>> {
  return requestCommand(deps, context, input, async () => {
    const resolved = await resolve(deps, context, input, input.commands);
    return (state) => decideEditRequest({ ...input, ...resolved }, state);
  });
}

export function approveChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: Aim & Asker & { readonly hash: string },
): Promise<Outcome<EnvironmentState>> {
  return requestCommand(deps, context, input, async () => (state) => decideApproveRequest(input, state));
}

export function closeChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: CloseRequest & Aim,
): Promise<Outcome<EnvironmentState>> {
  return requestCommand(deps, context, input, async () => (state) => decideCloseRequest(input, state));
}

export function applyChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: Aim & { readonly reason: string | null },
): Promise<Outcome<EnvironmentState>> {
  return requestCommand(deps, context, input, async () => {
    const events = await eventsOf(deps, context, input);
    const known = stateOf(events).requests.get(input.request);
    const { targets } = await resolve(deps, context, input, known?.commands ?? []);
    return (state) => decideApplyRequest({ ...input, targets }, state);
  });
}

type Decide = (state: EnvironmentState) => Decision<EnvironmentEvent>;

/** It asks for approvals itself, so the door does not. */
function requestCommand(
  deps: FlagDeps,
  context: CommandContext,
  { project, environment }: InEnvironment,
  command: () => Promise<Decide>,
): Promise<Outcome<EnvironmentState>> {
  return changeEnvironment<Decide>(deps, {
    context,
    project,
    environment,
    exempt: true,
    command,
    decide: (decide, state) => decide(state),
  });
}

async function eventsOf(deps: FlagDeps, { tenant }: CommandContext, { project, environment }: InEnvironment) {
  const recorded = await deps.log.readStream(environmentStream(tenant, project, environment));
  return decodeStream(deps.codec, ownEvents(recorded, tenant));
}

function stateOf(events: Awaited<ReturnType<typeof eventsOf>>): EnvironmentState {
  return events.reduce(
    (state, event) => evolveEnvironment(state, event as Parameters<typeof evolveEnvironment>[1]),
    noEnvironment,
  );
}

/** What rollbacks and copies lead to: revisions do not change, whatever else does. */
async function resolve(
  deps: FlagDeps,
  context: CommandContext,
  { project, environment }: InEnvironment,
  commands: readonly (RequestedCommand | RecordedCommand)[],
): Promise<Resolved> {
  const targets = new Map<number, EnvironmentFlag | undefined>();
  const recorded: RecordedCommand[] = [];
  for (const [i, command] of commands.entries()) {
    if (command.do === 'rollback') {
      const events = await eventsOf(deps, context, { project, environment });
      targets.set(i, flagAtRevision(events, command.flag, command.revision));
      recorded.push(command);
    } else if (command.do === 'copy') {
      const events = await eventsOf(deps, context, { project, environment: command.from });
      const now = stateOf(events).flags.get(command.flag);
      const revision = 'revision' in command ? command.revision : (now?.revision ?? 0);
      targets.set(i, flagAtRevision(events, command.flag, revision));
      recorded.push({ ...command, revision });
    } else recorded.push(command);
  }
  return { commands: recorded, targets };
}
