/** How much keys were used, and what single decisions were. */
import { z } from 'zod';
import {
  KEPT_DECISIONS,
  MAX_USAGE_POINTS,
  recentDecisions,
  usageIntervals,
  usagePoints,
  usageSeries,
} from '../../projections/usage/queries.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { instantSchema } from '../../schemas/values.ts';
import { verifyCodeSchema } from '../../schemas/verify-codes.ts';
import { MAX_READ_WAIT_MS } from '../plugins/position.ts';
import { defineRoute, type Services } from '../services.ts';
import { readKey } from './key-reads.ts';
import { keyParams } from './keys-read.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

const DAY_MS = 86_400_000;
/** The first instant that four digits of a year can tell. */
const FIRST_MS = Date.parse('0000-01-01T00:00:00Z');

const rangeQuery = z.strictObject({
  interval: z.enum(usageIntervals).default('hour'),
  from: instantSchema
    .optional()
    .meta({ description: 'Inclusive, rounded down to the interval; a day before `to` unless given.' }),
  to: instantSchema.optional().meta({ description: 'Exclusive; now unless given.' }),
  route: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'Only verifies that came by this route.' }),
});

const usageSchema = z.strictObject({
  interval: z.enum(usageIntervals),
  from: instantSchema,
  to: instantSchema,
  /** A point without any count is left out. */
  points: z.array(z.strictObject({ at: instantSchema, counts: z.partialRecord(verifyCodeSchema, z.int()) })),
});
const usageExample = {
  interval: 'hour',
  from: '2026-03-01T00:00:00.000Z',
  to: '2026-03-02T00:00:00.000Z',
  points: [{ at: '2026-03-01T08:00:00.000Z', counts: { VALID: 1204, RATE_LIMITED: 3 } }],
};

const decisionsSchema = z.strictObject({
  decisions: z.array(
    z.strictObject({
      at: instantSchema,
      code: verifyCodeSchema,
      route: z.string(),
      traceId: z.string().nullable(),
    }),
  ),
  nextCursor: nextCursorSchema,
});

async function usageOf(
  services: Services,
  tenant: TenantId,
  keyId: string | null,
  query: z.output<typeof rangeQuery>,
) {
  const toMs = query.to === undefined ? services.clock.now() : Date.parse(query.to);
  const fromMs = query.from === undefined ? Math.max(FIRST_MS, toMs - DAY_MS) : Date.parse(query.from);
  const range = { fromMs, toMs, interval: query.interval };
  const refuse = (field: string, message: string): never => {
    throw new PlinthError('invalid_request', `query.${field}: ${message}`, {
      errors: [{ field: `query.${field}`, message }],
    });
  };
  if (fromMs >= toMs) refuse('from', 'must be before `to`');
  if (usagePoints(range) > MAX_USAGE_POINTS) {
    refuse(
      'interval',
      `asks for more than ${MAX_USAGE_POINTS} points: shorten the range or widen the interval`,
    );
  }
  const { result, stamp } = await services.readModels.read(
    'usage',
    { waitMs: MAX_READ_WAIT_MS },
    (tx, usage) => usageSeries(tx, usage, tenant, keyId, range, query.route),
  );
  const body = {
    interval: query.interval,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    points: result.map(({ atMs, counts }) => ({ at: new Date(atMs).toISOString(), counts })),
  };
  return { status: 200, position: stamp.position satisfies Position, body };
}

export const usageRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/keys/{id}/usage',
    operationId: 'getKeyUsage',
    summary: 'Usage of a key over time',
    description:
      'Counts by answer code. Counts are written at most a second after the verify, in batches: a process that is killed loses at most that second.',
    tag: 'Keys',
    access: { permission: 'usage:read' },
    params: keyParams,
    query: rangeQuery,
    problems: ['stream_parked'],
    responses: { 200: { description: 'The counts.', schema: usageSchema, example: usageExample } },
    async handler(request, services) {
      await readKey(services, request, request.params.id);
      return usageOf(services, request.caller.tenant, request.params.id, request.query);
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/keys/{id}/decisions',
    operationId: 'listKeyDecisions',
    summary: 'Single decisions about a key',
    description: `Every denial and a sample of the rest, newest first, the last ${KEPT_DECISIONS} of them, with trace ids.`,
    tag: 'Keys',
    access: { permission: 'usage:read' },
    params: keyParams,
    query: z.strictObject(pageQuery),
    problems: ['stream_parked', 'invalid_cursor', 'epoch_gone'],
    responses: {
      200: {
        description: 'A page of decisions.',
        schema: decisionsSchema,
        example: {
          decisions: [
            {
              at: '2026-03-01T08:15:02.000Z',
              code: 'RATE_LIMITED',
              route: 'verify',
              traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
            },
          ],
          nextCursor: null,
        },
      },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const keyId = request.params.id;
      await readKey(services, request, keyId);
      const pager = pagerOf(services, tenant, `decisions of ${keyId}`, request.query);
      const { result, stamp } = await services.readModels.read(
        'usage',
        { waitMs: MAX_READ_WAIT_MS },
        (tx, usage) => recentDecisions(tx, usage, tenant, keyId, pager.page),
      );
      const decisions = result.items.map(({ atMs, code, route, traceId }) => ({
        at: new Date(atMs).toISOString(),
        code,
        route,
        traceId,
      }));
      return { status: 200, position: stamp.position, body: { decisions, nextCursor: pager.next(result) } };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/usage',
    operationId: 'getUsage',
    summary: 'Usage of all keys over time',
    description: 'Counts by answer code, over all keys of the tenant.',
    tag: 'Keys',
    access: { permission: 'usage:read' },
    query: rangeQuery,
    responses: { 200: { description: 'The counts.', schema: usageSchema, example: usageExample } },
    handler: (request, services) => usageOf(services, request.caller.tenant, null, request.query),
  }),
];
