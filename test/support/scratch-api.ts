/** The API around routes of a test's own: the mechanism without the house behind it. */
import { createHmac } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { buildApp } from '../../api/app.ts';
import type { ApiDeps, Caller } from '../../api/deps.ts';
import { type Route, routesOf } from '../../api/route.ts';
import { DEFAULT_TENANT } from '../../commands/tenants/default-tenant.ts';
import { systemClock, systemRandom } from '../../infra/system-clock.ts';
import type { Epoch, Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';

export const EPOCH = '6f1c7c1e-7a51-4f0e-8a11-0c6a2a4f9b01' as Epoch;
export const OTHER_TENANT = `tnt_${'ab'.repeat(16)}` as TenantId;

const management = { use: 'management', environment: null, ownerId: null } as const;

/** Credentials that the scratch API knows. */
const callers: Readonly<Record<string, Caller>> = {
  'good-key': { tenant: DEFAULT_TENANT, keyId: 'key_000000000001', ...management, permissions: ['*:*'] },
  'reader-key': {
    tenant: DEFAULT_TENANT,
    keyId: 'key_000000000002',
    ...management,
    permissions: ['keys:read'],
  },
  'other-key': { tenant: OTHER_TENANT, keyId: 'key_000000000003', ...management, permissions: ['*:*'] },
};

const defineRoute = routesOf<null>();
const widget = z.strictObject({
  name: z.string().min(1).max(20),
  size: z.int().min(0).max(10).optional(),
  parts: z
    .array(z.strictObject({ id: z.string().regex(/^[a-z]+$/, 'use a to z') }))
    .max(3)
    .default([]),
  metadata: z.record(z.string(), z.json()).nullable().default(null),
});

export const scratchRoutes: readonly Route<null>[] = [
  defineRoute({
    method: 'POST',
    path: '/v1/widgets',
    operationId: 'makeWidget',
    summary: 'Make a widget',
    description: 'Makes a widget.',
    tag: 'Keys',
    access: { permission: 'keys:write' },
    body: widget,
    idempotent: true,
    responses: {
      201: {
        description: 'Made.',
        schema: z.strictObject({ commandId: z.string(), digest: z.string(), name: z.string() }),
      },
    },
    handler(request) {
      const command = request.command('widgets');
      return {
        status: 201,
        position: '00000000000000000007' as Position,
        version: 1,
        body: {
          commandId: command.commandId,
          digest: command.requestDigest,
          name: request.body.name,
          secret: 'never declared, so never sent',
        },
      };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/widgets/{id}',
    operationId: 'getWidget',
    summary: 'Get a widget',
    description: 'Gets a widget.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    params: z.strictObject({ id: z.string().max(40) }),
    query: z.strictObject({ limit: z.coerce.number().int().min(1).optional() }),
    readsYourWrites: true,
    responses: {
      200: {
        description: 'The widget.',
        schema: z.strictObject({ id: z.string(), atLeast: z.string().nullable(), trace: z.string() }),
      },
    },
    handler(request) {
      if (request.params.id === 'boom') throw new Error('secret internals');
      const body = {
        id: request.params.id,
        atLeast: request.atLeast ?? null,
        trace: request.trace.traceparent,
      };
      return { status: 200, version: 7, body };
    },
  }),
  defineRoute({
    method: 'PATCH',
    path: '/v1/widgets/{id}',
    operationId: 'changeWidget',
    summary: 'Change a widget',
    description: 'Changes a widget.',
    tag: 'Keys',
    access: { permission: 'keys:write' },
    params: z.strictObject({ id: z.string().max(40) }),
    body: z.strictObject({ name: z.string().optional() }),
    idempotent: true,
    conditional: true,
    responses: {
      200: { description: 'Changed.', schema: z.strictObject({ ifVersion: z.int().nullable() }) },
    },
    handler(request) {
      return { status: 200, replayed: true, body: { ifVersion: request.ifVersion ?? null } };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/widgets/unused',
    operationId: 'unusedWidgets',
    summary: 'Unused widgets',
    description: 'Lists them.',
    tag: 'Keys',
    access: { permission: 'tenants:read' },
    responses: { 200: { description: 'They.', schema: z.strictObject({ unused: z.literal(true) }) } },
    handler: () => ({ status: 200, body: { unused: true } }),
  }),
];

export interface ScratchApi {
  readonly app: FastifyInstance;
  readonly observed: { method: string; route: string; status: number }[];
}

export async function scratchApi(
  t: { after(fn: () => unknown): void },
  overrides: Partial<ApiDeps<null>> = {},
  moreRoutes: readonly Route<null>[] = [],
): Promise<ScratchApi> {
  const observed: ScratchApi['observed'] = [];
  const deps: ApiDeps<null> = {
    clock: systemClock,
    random: systemRandom,
    authenticate(credential) {
      const caller = callers[credential];
      if (!caller) throw new PlinthError('credential_invalid', 'This key is not accepted.');
      return caller;
    },
    epoch: () => EPOCH,
    requestDigest: (body) => createHmac('sha256', 'test').update(body).digest('base64url'),
    observe: ({ method, route, status }) => observed.push({ method, route, status }),
    live: () => true,
    ready: async () => ({ ready: true, checks: { log: { ok: true, detail: null } } }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'up 1\n' }),
    version: '0.0.0',
    services: null,
    ...overrides,
  };
  const app = buildApp(deps, [...scratchRoutes, ...moreRoutes]);
  t.after(() => app.close());
  await app.ready();
  return { app, observed };
}
