/** Tenants: who keys belong to. Only keys of the default tenant come here. */
import { z } from 'zod';
import type { Outcome } from '../../commands/execute.ts';
import { TENANTS_COLLECTION, tenantStream } from '../../commands/streams.ts';
import { createTenant } from '../../commands/tenants/create-tenant.ts';
import { issueAdminKey } from '../../commands/tenants/issue-admin-key.ts';
import { resumeTenant } from '../../commands/tenants/resume-tenant.ts';
import { suspendTenant } from '../../commands/tenants/suspend-tenant.ts';
import type { TenantState } from '../../commands/tenants/tenant-state.ts';
import { tenantView } from '../../commands/tenants/tenant-view.ts';
import { getTenant, listTenants } from '../../projections/tenants/queries.ts';
import {
  createTenantSchema,
  issueAdminKeySchema,
  resumeTenantSchema,
  suspendTenantSchema,
} from '../../schemas/commands/tenants.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { tenantIdSchema } from '../../schemas/values.ts';
import { issuedKeyViewSchema } from '../../schemas/views/keys.ts';
import { tenantViewSchema } from '../../schemas/views/tenants.ts';
import { MAX_READ_WAIT_MS } from '../plugins/position.ts';
import type { Answer } from '../route.ts';
import { defineRoute } from '../services.ts';
import { answerIssued } from './answer-key.ts';
import { answerOutcome } from './answer-outcome.ts';
import { issuedExample, tenantExample } from './examples.ts';
import { mustBeOpenForIssuing } from './open-for-issuing.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const tenantParams = z.strictObject({
  id: tenantIdSchema.meta({ description: 'Id of the tenant.', examples: [tenantExample.id] }),
});
const tenantAnswer = (description: string) => ({
  200: { description, schema: tenantViewSchema, example: tenantExample },
});
const reads = { tag: 'Tenants', access: { permission: 'tenants:read' }, readsYourWrites: true } as const;
const writes = { tag: 'Tenants', access: { permission: 'tenants:write' }, idempotent: true } as const;
const waiting = (atLeast: Position | undefined) => ({
  waitMs: MAX_READ_WAIT_MS,
  ...(atLeast === undefined ? {} : { atLeast }),
});

function answerTenant(status: number, outcome: Outcome<TenantState>): Answer {
  return answerOutcome(outcome, ({ state, version }) => ({ status, version, body: tenantView(state) }));
}

/** The body, with the tenant that the path names and the version that `If-Match` demands. */
function inputOf<B extends object>(request: {
  readonly params: { readonly id: string };
  readonly body: B;
  readonly ifVersion: number | undefined;
}): B & { readonly tenantId: TenantId; readonly ifVersion?: number } {
  const { params, body, ifVersion } = request;
  return { ...body, tenantId: params.id as TenantId, ...(ifVersion === undefined ? {} : { ifVersion }) };
}

export const tenantRoutes = [
  defineRoute({
    ...writes,
    method: 'POST',
    path: '/v1/tenants',
    operationId: 'createTenant',
    summary: 'Create a tenant',
    description: 'Its slug is unique for ever. Issue its first management key next.',
    body: createTenantSchema,
    bodyExample: { slug: 'acme', name: 'Acme Ltd' },
    problems: ['already_exists'],
    responses: { 201: { description: 'Created.', schema: tenantViewSchema, example: tenantExample } },
    async handler(request, services) {
      const context = request.command(`${TENANTS_COLLECTION}/${request.body.slug}`);
      return answerTenant(201, await createTenant(services.execute, context, request.body));
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: '/v1/tenants',
    operationId: 'listTenants',
    summary: 'List tenants',
    description: 'Newest first, filtered.',
    query: z.strictObject({
      status: z.enum(['active', 'suspended']).optional(),
      q: z.string().min(1).max(40).optional().meta({ description: 'Start of the slug.' }),
      ...pageQuery,
    }),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of tenants.',
        schema: z.strictObject({ tenants: z.array(tenantViewSchema), nextCursor: nextCursorSchema }),
        example: { tenants: [tenantExample], nextCursor: null },
      },
    },
    async handler(request, services) {
      const { status, q } = request.query;
      const pager = pagerOf(services, request.caller.tenant, 'tenants', request.query);
      const filter = {
        ...(status === undefined ? {} : { suspended: status === 'suspended' }),
        ...(q === undefined ? {} : { q }),
      };
      const { result, stamp } = await services.readModels.read(
        'tenants',
        waiting(request.atLeast),
        (tx, tables) => listTenants(tx, tables, filter, pager.page),
      );
      const tenants = result.items.map(({ tenant }) => tenantView(tenant));
      return { status: 200, position: stamp.position, body: { tenants, nextCursor: pager.next(result) } };
    },
  }),
  defineRoute({
    ...reads,
    method: 'GET',
    path: '/v1/tenants/{id}',
    operationId: 'getTenant',
    summary: 'Get a tenant',
    description: 'As it is.',
    params: tenantParams,
    problems: ['stream_parked'],
    responses: tenantAnswer('The tenant.'),
    async handler(request, services) {
      const { id } = request.params;
      const { result, stamp } = await services.readModels.read(
        'tenants',
        waiting(request.atLeast),
        (tx, tables) => getTenant(tx, tables, id),
      );
      if (await services.projections.isParked('tenants', [tenantStream(id)])) {
        throw new PlinthError('stream_parked', 'An event of this tenant could not be projected.');
      }
      if (result === null) throw new PlinthError('not_found', 'There is no such tenant.');
      const view = tenantView(result.tenant);
      return { status: 200, body: view, version: view.version, position: stamp.position };
    },
  }),
  defineRoute({
    ...writes,
    method: 'POST',
    path: '/v1/tenants/{id}/suspend',
    operationId: 'suspendTenant',
    summary: 'Suspend a tenant',
    description: 'None of its keys verifies, and none of its management keys is let in, until it is resumed.',
    params: tenantParams,
    conditional: true,
    body: suspendTenantSchema,
    bodyExample: { reason: 'contract ended' },
    problems: ['conflict'],
    responses: tenantAnswer('The tenant, suspended.'),
    async handler(request, services) {
      const context = request.command(tenantStream(request.params.id));
      return answerTenant(200, await suspendTenant(services.execute, context, inputOf(request)));
    },
  }),
  defineRoute({
    ...writes,
    method: 'POST',
    path: '/v1/tenants/{id}/resume',
    operationId: 'resumeTenant',
    summary: 'Resume a tenant',
    description: 'After it was suspended: its keys are as they were.',
    params: tenantParams,
    conditional: true,
    body: resumeTenantSchema,
    bodyExample: { reason: 'contract renewed' },
    problems: ['conflict'],
    responses: tenantAnswer('The tenant, active.'),
    async handler(request, services) {
      const context = request.command(tenantStream(request.params.id));
      return answerTenant(200, await resumeTenant(services.execute, context, inputOf(request)));
    },
  }),
  defineRoute({
    ...writes,
    method: 'POST',
    path: '/v1/tenants/{id}/admin-keys',
    operationId: 'issueAdminKey',
    summary: 'Issue a management key of a tenant',
    description: 'The way in for a new tenant. Answers the secret, this once.',
    params: tenantParams,
    body: issueAdminKeySchema,
    bodyExample: { name: 'First administrator' },
    problems: ['conflict', 'permission_escalation'],
    responses: { 201: { description: 'Issued.', schema: issuedKeyViewSchema, example: issuedExample } },
    async handler(request, services) {
      mustBeOpenForIssuing(services);
      const tenantId = request.params.id as TenantId;
      const context = request.command(`${tenantStream(tenantId)}/admin-keys`);
      const input = { ...request.body, tenantId };
      return answerIssued(
        201,
        await issueAdminKey(services.execute, context, request.caller, input),
        services,
      );
    },
  }),
];
