/** One key: as it is, as it was, and how it came to be. */
import { z } from 'zod';
import { keyView } from '../../commands/keys/key-view.ts';
import { explainVerifySchema } from '../../schemas/commands/verify.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { keyHistoryViewSchema, keyViewSchema } from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { keyExample, POSITION_EXAMPLE } from './examples.ts';
import { readKey } from './key-reads.ts';
import { keyParams } from './keys-read.ts';
import { pageQuery } from './paging.ts';

const DEFAULT_HISTORY_ITEMS = 50;
const HISTORY_CURSOR = /^v([1-9][0-9]{0,9})$/;

export const keyTimeTravelRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/keys/{id}',
    operationId: 'getKey',
    summary: 'Get a key',
    description:
      'As it is; with `asOf` as it was at a time or a position, folded from its events by the rules that made it.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    params: keyParams,
    query: z.strictObject({
      asOf: explainVerifySchema.shape.asOf
        .optional()
        .meta({ description: 'RFC 3339 time, or a position as an answer carried it.' }),
    }),
    readsYourWrites: true,
    problems: ['stream_parked', 'epoch_gone'],
    responses: { 200: { description: 'The key.', schema: keyViewSchema, example: keyExample } },
    async handler(request, services) {
      const { id } = request.params;
      const { asOf } = request.query;
      if (asOf !== undefined) {
        const key = await services.past.keyAsOf(request.caller.tenant, id, asOf);
        // No ETag: a version that is past matches nothing that can be changed.
        return { status: 200, body: key };
      }
      const { record, position } = await readKey(services, request, id);
      const key = keyView(record.key, record.owner, services.clock.now());
      return { status: 200, body: key, version: key.version, position };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/keys/{id}/history',
    operationId: 'getKeyHistory',
    summary: 'History of a key',
    description: 'Its changes, oldest first, with actor, reason and each field before and after.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    params: keyParams,
    query: z.strictObject(pageQuery),
    problems: ['invalid_cursor'],
    responses: {
      200: {
        description: 'A page of changes.',
        schema: keyHistoryViewSchema,
        example: {
          changes: [
            {
              type: 'key.scopes-changed',
              at: '2026-03-02T10:30:00.000Z',
              position: POSITION_EXAMPLE,
              version: 3,
              actor: keyExample.createdBy,
              reason: null,
              changes: [{ field: 'scopes', before: [], after: ['invoices:read'] }],
              correlationId: 'req_3q2-7wAAAAAAAAAAAAAA',
            },
          ],
          nextCursor: null,
        },
      },
    },
    async handler(request, services) {
      const { limit, cursor } = request.query;
      const { changes, next } = await services.past.history(request.caller.tenant, request.params.id, {
        after: cursor === undefined ? 0 : afterOf(cursor),
        limit: limit ?? DEFAULT_HISTORY_ITEMS,
      });
      return { status: 200, body: { changes, nextCursor: next === null ? null : `v${next}` } };
    },
  }),
];

/** A history goes on after a version of the key's stream: that is no secret and needs no signature. */
function afterOf(cursor: string): number {
  const match = HISTORY_CURSOR.exec(cursor);
  if (match) return Number(match[1]);
  throw new PlinthError('invalid_cursor', 'The cursor is not one that a history answered.', {
    errors: [{ field: 'query.cursor', message: 'it is not one of ours' }],
  });
}
