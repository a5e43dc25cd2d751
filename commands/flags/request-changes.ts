/**
 * Four eyes: a change is written down, approved by others, and done in one append. An approval is of what
 * the request says, by its hash; who wrote it, by the owner of the key, cannot approve it.
 */
import type { CloseRequest, OpenRequest } from '../../schemas/commands/change-requests.ts';
import { MAX_OPEN_REQUESTS } from '../../schemas/commands/change-requests.ts';
import { MAX_APPEND_BYTES, MAX_EVENT_BYTES } from '../../schemas/envelope.ts';
import type { ChangeCause, EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import { type CommandContext, type Outcome, tooLarge } from '../execute.ts';
import { type ChangeRequest, requestHash } from './change-request.ts';
import { changeEnvironment, type InEnvironment, noSuchEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import { type FlagDeps, staleRevision } from './project-command.ts';
import { decideCommands, type Targets } from './requested-commands.ts';
import { type ResolvedCommands, resolveCommands } from './requested-targets.ts';

/** Who asks: the owner of the key. */
export interface Asker {
  readonly ownerId: string | null;
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
  command: Pick<OpenRequest, 'title'> & ResolvedCommands & Asker & { readonly request: string },
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
  command: Pick<OpenRequest, 'title'> & ResolvedCommands & Asker & Aim,
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const request = openRequest(command, state);
  return 'reject' in request ? request : written('change-request.edited', command, state);
}

function written(
  type: 'change-request.opened' | 'change-request.edited',
  command: Pick<OpenRequest, 'title'> & ResolvedCommands & Asker & { readonly request: string },
  state: EnvironmentState,
): Decision<EnvironmentEvent> {
  const { request, title, commands, targets, ownerId } = command;
  if (ownerId === null && state.approvalsRequired > 0) {
    // Whoever it belongs to could approve it with a key that has an owner.
    return reject({
      code: 'self_approval',
      detail: 'A key without an owner cannot write what others approve.',
    });
  }
  const decided = decideCommands(state, commands, targets, causeOf(request), null);
  if ('reject' in decided) return decided;
  if (!fitsOneAppend(decided.events)) return reject(tooLarge);
  const { bases } = decided;
  const hash = requestHash(commands, bases);
  const data = { request, title, commands, bases, hash, author: ownerId };
  return { accept: [{ type, data: data as unknown as Written }] };
}

/** What a log adds to the data of an event: metadata, and the reason that is given when it is done. */
const MAX_ADDED_BYTES = 4 * 1024;

/** Rollbacks and copies are short to write: others shall not approve what is then too large to be done. */
function fitsOneAppend(events: readonly EnvironmentEvent[]): boolean {
  const sizes = events.map(({ data }) => Buffer.byteLength(JSON.stringify(data)) + MAX_ADDED_BYTES);
  const whole = sizes.reduce((sum, bytes) => sum + bytes, MAX_ADDED_BYTES);
  return whole <= MAX_APPEND_BYTES && sizes.every((bytes) => bytes <= MAX_EVENT_BYTES);
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
  const cause = causeOf(request.request);
  const decided = decideCommands(state, commands, command.targets, cause, command.reason, bases);
  if ('reject' in decided) return notAnyMore(decided);
  const applied = { request: request.request, hash, approvers: [...approvers] };
  return { accept: [...decided.events, { type: 'change-request.applied', data: applied }] };
}

/** It could be done when it was written: what is wrong is nothing that was sent now. */
function notAnyMore(refusal: ReturnType<typeof reject>): ReturnType<typeof reject> {
  const { code, detail } = refusal.reject;
  if (code === 'conflict') return refusal;
  return reject({ code: 'conflict', detail: `It cannot be done any more. ${detail}` });
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
    const resolved = await resolveCommands(deps, context, input, input.commands);
    return (state) => decideOpenRequest({ ...input, ...resolved, request }, state);
  });
}

export function editChangeRequest(
  deps: FlagDeps,
  context: CommandContext,
  input: OpenRequest & Aim & Asker,
): Promise<Outcome<EnvironmentState>> {
  return requestCommand(deps, context, input, async () => {
    const resolved = await resolveCommands(deps, context, input, input.commands);
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
  return requestCommand(deps, context, input, async ({ state }) => {
    const known = state.requests.get(input.request);
    const { targets } = await resolveCommands(deps, context, input, known?.commands ?? []);
    return (now) => decideApplyRequest({ ...input, targets }, now);
  });
}

type Decide = (state: EnvironmentState) => Decision<EnvironmentEvent>;

/** It asks for approvals itself, so the door does not. */
function requestCommand(
  deps: FlagDeps,
  context: CommandContext,
  { project, environment }: InEnvironment,
  command: (facts: { readonly state: EnvironmentState }) => Promise<Decide>,
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
