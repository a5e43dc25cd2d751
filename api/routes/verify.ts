/** Is this key good for this, now? */
import { z } from 'zod';
import { explainVerifySchema, verifyBatchSchema, verifyKeySchema } from '../../schemas/commands/verify.ts';
import { type ExplanationView, explanationViewSchema } from '../../schemas/views/keys.ts';
import { type VerifyView, verifyBatchViewSchema, verifyViewSchema } from '../../schemas/views/verify.ts';
import type { RouteRequest } from '../route.ts';
import { defineRoute } from '../services.ts';
import { rateLimitHeaders } from '../verify/rate-limit-headers.ts';
import { keyExample, POSITION_EXAMPLE } from './examples.ts';

const verdictExample: VerifyView = {
  valid: true,
  code: 'VALID',
  keyId: keyExample.id,
  ownerId: keyExample.ownerId,
  use: 'api',
  mode: 'live',
  scopes: ['invoices:read'],
  limits: [{ name: 'burst', limit: 100, windowSeconds: 60, remaining: 99, resetSeconds: 1 }],
  credits: null,
  position: POSITION_EXAMPLE,
  retryAfterSeconds: null,
};

const explanationExample: ExplanationView = {
  valid: false,
  code: 'DISABLED',
  keyId: keyExample.id,
  at: '2026-03-03T14:03:00.000Z',
  position: POSITION_EXAMPLE,
  checks: [{ name: 'enabled', passed: false, code: 'DISABLED', detail: 'The key was disabled.' }],
};

const contextOf = (request: Pick<RouteRequest, 'caller' | 'trace' | 'atLeast'>) => ({
  tenant: request.caller.tenant,
  route: 'verify',
  traceId: request.trace.traceId,
  ...(request.atLeast === undefined ? {} : { atLeast: request.atLeast }),
});

export const verifyRoutes = [
  defineRoute({
    method: 'POST',
    path: '/v1/keys/verify',
    operationId: 'verifyKey',
    summary: 'Verify a key',
    description:
      'Answers `VALID` or the first of a closed list of codes that denies, with the key’s identity and what is left of its limits and credits. Only a valid answer spends. Send a `requestId` to repeat a request that got no answer: within 60 s one id spends once.\n\nWith `asOf` (a time or a position) and `keyId` instead of `key` it explains what the answer would have been, and why: no secret is needed, and nothing is spent.',
    tag: 'Verify',
    access: { permission: 'keys:verify' },
    // The usual form first: a body of it is not tried against the other.
    body: z.union([verifyKeySchema, explainVerifySchema]),
    bodyExample: {
      key: 'the whole text of the key',
      scopes: ['invoices:read'],
      limits: [{ name: 'burst' }],
      ip: '203.0.113.7',
      requestId: 'b1946ac9-2f0e',
    },
    readsYourWrites: true,
    problems: ['unknown_limit', 'request_id_reused', 'not_found', 'epoch_gone'],
    responses: {
      200: {
        description: 'The verdict; with `asOf` the explanation.',
        schema: verifyViewSchema,
        example: verdictExample,
        alternative: explanationViewSchema,
        alternativeExample: explanationExample,
      },
    },
    async handler(request, { verifier, past }) {
      const { body } = request;
      if ('asOf' in body) {
        return { status: 200, alternative: true, body: await past.explain(request.caller.tenant, body) };
      }
      const judged = verifier.verify(contextOf(request), body);
      const view = judged instanceof Promise ? await judged : judged;
      return {
        status: 200,
        body: view,
        headers: { ...rateLimitHeaders(view), 'plinth-position': view.position },
      };
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/v1/keys/verify-batch',
    operationId: 'verifyKeys',
    summary: 'Verify up to 100 keys',
    description:
      'Each is judged alone, in the order given; one that cannot be judged does not fail the others.',
    tag: 'Verify',
    access: { permission: 'keys:verify' },
    body: verifyBatchSchema,
    maxBodyBytes: 256 * 1024,
    bodyExample: { verifies: [{ key: 'the whole text of the key', scopes: 'invoices:read' }] },
    readsYourWrites: true,
    responses: {
      200: {
        description: 'The verdicts, in the order of the request.',
        schema: verifyBatchViewSchema,
        example: { results: [verdictExample] },
      },
    },
    async handler(request, { verifier }) {
      const results = await verifier.verifyMany(contextOf(request), request.body.verifies);
      return { status: 200, body: { results } };
    },
  }),
];
