/** One key: as it is, as it was, and how it came to be. */
import { z } from 'zod';
import { keyAsOf } from '../../commands/keys/key-as-of.ts';
import { keyChangeView, keyHistory } from '../../commands/keys/key-history.ts';
import { keyView } from '../../commands/keys/key-view.ts';
import { explainVerifySchema } from '../../schemas/commands/verify.ts';
import { keyHistoryViewSchema, keyViewSchema } from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { keyExample, POSITION_EXAMPLE } from './examples.ts';
import { noSuchKey, readKey, readsOf } from './key-reads.ts';
import { keyParams } from './keys-read.ts';
import { momentOf } from './moment.ts';
import { pageQuery, pagerOf } from './paging.ts';

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
        const moment = momentOf(asOf, services.epoch());
        const then = await keyAsOf(readsOf(services), request.caller.tenant, id, moment);
        if (then === null) throw noSuchKey();
        // No ETag: a version that is past matches nothing that can be changed.
        return { status: 200, body: keyView(then.key, then.owner, then.atMs), position: then.position };
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
    problems: ['invalid_cursor', 'epoch_gone'],
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
      const { tenant } = request.caller;
      const { id } = request.params;
      const pager = pagerOf(services, tenant, `history of ${id}`, request.query);
      const page = await keyHistory(readsOf(services), tenant, id, pager.page);
      if (page === null) throw noSuchKey();
      const epoch = services.epoch();
      const changes = page.entries.map((entry) => keyChangeView(epoch, entry));
      return { status: 200, body: { changes, nextCursor: pager.next(page) } };
    },
  }),
];
