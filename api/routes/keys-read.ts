/** Looking at keys: one, many, unused ones. */
import { z } from 'zod';
import { listKeys } from '../../projections/keys/queries.ts';
import {
  instantSchema,
  keyIdSchema,
  keyUseSchema,
  ownerIdSchema,
  scopeSchema,
} from '../../schemas/values.ts';
import { keyListItemSchema, keyStatusSchema } from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { keyExample } from './examples.ts';
import { listItem, readKeys } from './key-reads.ts';
import { nextCursorSchema, pageQuery, pagerOf } from './paging.ts';

export const keyParams = z.strictObject({
  id: keyIdSchema.meta({ description: 'Id of the key.', examples: ['key_4fTq0ZxW91bA'] }),
});

const keyPageSchema = z.strictObject({ keys: z.array(keyListItemSchema), nextCursor: nextCursorSchema });
const pageExample = { keys: [{ ...keyExample, lastUsedAt: '2026-03-04T09:12:00.000Z' }], nextCursor: null };

const listQuery = z.strictObject({
  ownerId: ownerIdSchema.optional(),
  status: keyStatusSchema.optional(),
  use: keyUseSchema.optional(),
  scope: scopeSchema.optional().meta({ description: 'Keys that carry this very scope.' }),
  usedFrom: instantSchema.optional().meta({ description: 'Used at this time or later.' }),
  q: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'Part of the name, or the start of the key id.' }),
  ...pageQuery,
});

const DEFAULT_UNUSED_DAYS = 90;
const DAY_MS = 86_400_000;

export const keyReadRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/keys',
    operationId: 'listKeys',
    summary: 'List keys',
    description: 'Newest first, filtered.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    query: listQuery,
    readsYourWrites: true,
    problems: ['invalid_cursor'],
    responses: { 200: { description: 'A page of keys.', schema: keyPageSchema, example: pageExample } },
    async handler(request, services) {
      const { tenant } = request.caller;
      const { query } = request;
      const pager = pagerOf(services, tenant, 'keys', query);
      const nowMs = services.clock.now();
      const { ownerId, status, use, scope, q, usedFrom } = query;
      const filter = {
        ...(ownerId === undefined ? {} : { ownerId }),
        ...(status === undefined ? {} : { status }),
        ...(use === undefined ? {} : { use }),
        ...(scope === undefined ? {} : { scope }),
        ...(q === undefined ? {} : { q }),
        ...(usedFrom === undefined ? {} : { usedFromMs: Date.parse(usedFrom) }),
      };
      const { result, position } = await readKeys(services, request.atLeast, (reads) =>
        listKeys(reads, tenant, filter, pager.page, nowMs),
      );
      const keys = result.items.map((record) => listItem(record, nowMs));
      return { status: 200, position, body: { keys, nextCursor: pager.next(result) } };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/keys/unused',
    operationId: 'listUnusedKeys',
    summary: 'Report unused keys',
    description:
      'Keys of use `api` that are active, were created before, and not verified since, the days given.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    query: z.strictObject({
      days: z
        .string()
        .regex(/^[1-9][0-9]{0,2}$/, 'use a whole number from 1 to 999')
        .transform(Number)
        .optional()
        .meta({ description: `Whole days without use, 1 to 999; ${DEFAULT_UNUSED_DAYS} unless given.` }),
      ...pageQuery,
    }),
    readsYourWrites: true,
    problems: ['invalid_cursor'],
    responses: {
      200: { description: 'A page of unused keys.', schema: keyPageSchema, example: pageExample },
    },
    async handler(request, services) {
      const { tenant } = request.caller;
      const pager = pagerOf(services, tenant, 'unused-keys', request.query);
      const nowMs = services.clock.now();
      const sinceMs = nowMs - (request.query.days ?? DEFAULT_UNUSED_DAYS) * DAY_MS;
      const { result, position } = await readKeys(services, request.atLeast, (reads) =>
        listKeys(
          reads,
          tenant,
          { use: 'api', status: 'active', unusedSinceMs: sinceMs, createdBeforeMs: sinceMs },
          pager.page,
          nowMs,
        ),
      );
      const keys = result.items.map((record) => listItem(record, nowMs));
      return { status: 200, position, body: { keys, nextCursor: pager.next(result) } };
    },
  }),
];
