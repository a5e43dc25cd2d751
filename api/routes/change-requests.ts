/** Changes that others approve before they are done. */
import { z } from 'zod';
import type { EnvironmentState } from '../../commands/flags/environment-state.ts';
import {
  applyChangeRequest,
  approveChangeRequest,
  closeChangeRequest,
  editChangeRequest,
  openChangeRequest,
  requestIdOf,
} from '../../commands/flags/request-changes.ts';
import { environmentStream } from '../../commands/streams.ts';
import {
  getRequest,
  listRequests,
  type StoredRequest,
} from '../../projections/flags/change-requests-projection.ts';
import {
  applyRequestSchema,
  approveRequestSchema,
  closeRequestSchema,
  editRequestSchema,
  openRequestSchema,
  requestIdSchema,
} from '../../schemas/commands/change-requests.ts';
import { MAX_EVENT_BYTES, type Position } from '../../schemas/envelope.ts';
import {
  type ChangeRequestView,
  changeRequestItemSchema,
  changeRequestViewSchema,
  type RequestStanding,
  requestStandingSchema,
} from '../../schemas/views/change-requests.ts';
import { MAX_READ_WAIT_MS } from '../plugins/position.ts';
import { defineRoute } from '../services.ts';
import { answerOutcome } from './answer-outcome.ts';
import { ENVIRONMENT, environmentParams, ifRevisionOf, noSuch } from './flag-paths.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const REQUESTS = `${ENVIRONMENT}/change-requests`;
const REQUEST = `${REQUESTS}/{request}`;
const REQUEST_EXAMPLE = 'chg_4f0c1d2e5a6b5c7d8e9fa0b1c2d3e4f5';
const HASH_EXAMPLE = 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg';
const params = environmentParams.extend({
  request: requestIdSchema.meta({ description: 'Id of the change request.', examples: [REQUEST_EXAMPLE] }),
});
const tag = 'Change requests';
const reads = { tag, access: { permission: 'flags:read' }, readsYourWrites: true } as const;
const writes = { tag, access: { permission: 'flags:write' }, idempotent: true } as const;

const body = {
  title: 'New checkout for a quarter',
  commands: [{ do: 'change', flag: 'new-checkout', edits: [{ edit: 'set_mode', mode: 'off' }] }],
};
const standingExample: RequestStanding = {
  project: 'shop',
  environment: 'production',
  request: REQUEST_EXAMPLE,
  status: 'open',
  revision: 1,
  hash: HASH_EXAMPLE,
  approvers: [],
  approvalsRequired: 1,
};
const viewExample: ChangeRequestView = {
  request: REQUEST_EXAMPLE,
  title: body.title,
  status: 'open',
  revision: 1,
  commands: body.commands,
  bases: [{ mode: 'on' }],
  hash: HASH_EXAMPLE,
  authors: ['ann'],
  approvers: [],
  reason: null,
  openedBy: 'key_0Lp5sR2kYd7M',
  openedAt: '2026-03-02T10:30:00.000Z',
  changedAt: '2026-03-02T10:30:00.000Z',
};
const { commands: _commands, bases: _bases, ...itemExample } = viewExample;
const standing = (description: string) => ({
  description,
  schema: requestStandingSchema,
  example: standingExample,
});

function viewOf({ openedAtMs, changedAtMs, ...stored }: StoredRequest): ChangeRequestView {
  const { request, title, status, revision, commands, bases, hash, authors, approvers, reason, openedBy } =
    stored;
  return {
    ...{ request, title, status, revision, hash, reason, openedBy },
    commands: commands as unknown as ChangeRequestView['commands'],
    bases: bases as ChangeRequestView['bases'],
    authors: [...authors],
    approvers: [...approvers],
    openedAt: new Date(openedAtMs).toISOString(),
    changedAt: new Date(changedAtMs).toISOString(),
  };
}

function standingOf(
  { project, environment, request }: { project: string; environment: string; request: string },
  { requests, approvalsRequired }: EnvironmentState,
  closed: 'applied' | 'withdrawn' | 'rejected',
): RequestStanding {
  const open = requests.get(request);
  return {
    ...{ project, environment, request, approvalsRequired },
    status: open ? 'open' : closed,
    revision: open?.revision ?? null,
    hash: open?.hash ?? null,
    approvers: [...(open?.approvers ?? [])],
  };
}

export const changeRequestRoutes = [
  defineRoute({
    ...writes,
    method: 'POST',
    path: REQUESTS,
    operationId: 'openChangeRequest',
    summary: 'Open a change request',
    description:
      'Commands, and the parts that they rest on as they are now. What could not be done now is refused. It is done by `apply` once enough others have approved it: all commands in one append, or none.',
    params: environmentParams,
    body: openRequestSchema,
    maxBodyBytes: MAX_EVENT_BYTES,
    bodyExample: body,
    problems: ['not_found', 'conflict'],
    responses: { 201: standing('Opened.') },
    async handler(request, { execute }) {
      const { project, environment } = request.params;
      const { tenant, ownerId } = request.caller;
      const context = request.command(environmentStream(tenant, project, environment));
      const input = { ...request.params, ...request.body, ownerId };
      const aim = { project, environment, request: requestIdOf(context) };
      return answerStanding(await openChangeRequest(execute, context, input), aim, 'applied', 201);
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: REQUESTS,
    operationId: 'listChangeRequests',
    summary: 'List change requests',
    description: 'Newest first, without their commands: get one to see what it says.',
    params: environmentParams,
    query: z.strictObject({
      status: z.enum(['open', 'applied', 'withdrawn', 'rejected']).optional(),
      ...pageQuery,
    }),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of change requests.',
        schema: z.strictObject({ requests: z.array(changeRequestItemSchema), nextCursor: nextCursorSchema }),
        example: { requests: [itemExample], nextCursor: null },
      },
    },
    async handler(request, services) {
      const { project, environment } = request.params;
      const { tenant } = request.caller;
      const stream = environmentStream(tenant, project, environment);
      const list = `change requests of ${project} ${environment}`;
      const pager = pagerOf(services, tenant, list, request.query);
      const status = request.query.status ?? null;
      const { result, stamp } = await services.readModels.read(
        'change_requests',
        waiting(request.atLeast),
        (tx, tables) => listRequests(tx, tables, stream, status, pager.page),
      );
      const requests = result.items.map((one) => {
        const { commands: _, bases: __, ...item } = viewOf(one);
        return item;
      });
      return { status: 200, position: stamp.position, body: { requests, nextCursor: pager.next(result) } };
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: REQUEST,
    operationId: 'getChangeRequest',
    summary: 'Get a change request',
    description: 'What it says, what it rests on, and who approved it.',
    params,
    responses: {
      200: { description: 'The change request.', schema: changeRequestViewSchema, example: viewExample },
    },
    async handler(request, services) {
      const { project, environment, request: id } = request.params;
      const stream = environmentStream(request.caller.tenant, project, environment);
      const { result, stamp } = await services.readModels.read(
        'change_requests',
        waiting(request.atLeast),
        (tx, tables) => getRequest(tx, tables, stream, id),
      );
      if (result === null) throw noSuch('change request');
      return { status: 200, position: stamp.position, version: result.revision, body: viewOf(result) };
    },
  }),
  defineRoute({
    ...writes,
    method: 'PUT',
    path: REQUEST,
    operationId: 'editChangeRequest',
    summary: 'Edit a change request',
    description: 'It rests on what is there now, and whatever was approved is void: it was something else.',
    params,
    conditional: true,
    body: editRequestSchema,
    maxBodyBytes: MAX_EVENT_BYTES,
    bodyExample: body,
    problems: ['not_found', 'conflict'],
    responses: { 200: standing('Edited.') },
    async handler(request, { execute }) {
      const { params: aim, caller } = request;
      const context = request.command(environmentStream(caller.tenant, aim.project, aim.environment));
      const input = { ...aim, ...request.body, ...ifRevisionOf(request), ownerId: caller.ownerId };
      return answerStanding(await editChangeRequest(execute, context, input), aim, 'applied');
    },
  }),
  defineRoute({
    ...writes,
    access: { permission: 'flags:approve' },
    method: 'POST',
    path: `${REQUEST}/approve`,
    operationId: 'approveChangeRequest',
    summary: 'Approve a change request',
    description:
      'As it is shown, by its hash. Counts by the owner of the key: not for who wrote or edited it, not for a key without an owner, and once for each.',
    params,
    body: approveRequestSchema,
    bodyExample: { hash: HASH_EXAMPLE },
    problems: ['not_found', 'conflict', 'self_approval'],
    responses: { 200: standing('Approved.') },
    async handler(request, { execute }) {
      const { params: aim, caller } = request;
      const context = request.command(environmentStream(caller.tenant, aim.project, aim.environment));
      const input = { ...aim, ...request.body, ownerId: caller.ownerId };
      return answerStanding(await approveChangeRequest(execute, context, input), aim, 'applied');
    },
  }),
  defineRoute({
    ...writes,
    method: 'POST',
    path: `${REQUEST}/apply`,
    operationId: 'applyChangeRequest',
    summary: 'Do what a change request says',
    description:
      'With the approvals that the environment asks for. 409 with the parts in `conflicts` where what it rests on has changed since: edit it then, and have it approved again.',
    params,
    conditional: true,
    body: applyRequestSchema,
    bodyExample: { reason: null },
    problems: ['not_found', 'conflict', 'approval_required'],
    responses: { 200: standing('Done.') },
    async handler(request, { execute }) {
      const { params: aim, caller } = request;
      const context = request.command(environmentStream(caller.tenant, aim.project, aim.environment));
      const input = { ...aim, ...request.body, ...ifRevisionOf(request) };
      return answerStanding(await applyChangeRequest(execute, context, input), aim, 'applied');
    },
  }),
  defineRoute({
    ...writes,
    method: 'POST',
    path: `${REQUEST}/close`,
    operationId: 'closeChangeRequest',
    summary: 'Withdraw or reject a change request',
    description: 'It will not be done.',
    params,
    body: closeRequestSchema,
    bodyExample: { outcome: 'withdrawn', reason: null },
    problems: ['not_found'],
    responses: { 200: standing('Closed.') },
    async handler(request, { execute }) {
      const { params: aim, caller, body: asked } = request;
      const context = request.command(environmentStream(caller.tenant, aim.project, aim.environment));
      const outcome = await closeChangeRequest(execute, context, { ...aim, ...asked });
      return answerStanding(outcome, aim, asked.outcome);
    },
  }),
];

function waiting(atLeast: Position | undefined) {
  return { waitMs: MAX_READ_WAIT_MS, ...(atLeast === undefined ? {} : { atLeast }) };
}

function answerStanding(
  outcome: Awaited<ReturnType<typeof applyChangeRequest>>,
  aim: { project: string; environment: string; request: string },
  closed: 'applied' | 'withdrawn' | 'rejected',
  status = 200,
) {
  return answerOutcome(outcome, ({ state }) => {
    const view = standingOf(aim, state, closed);
    return { status, ...(view.revision !== null && { version: view.revision }), body: view };
  });
}
