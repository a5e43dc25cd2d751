/** Is this key good for this, now? */
import { z } from 'zod';
import { explainVerdict } from '../../commands/keys/explain-verdict.ts';
import { explainAsOf } from '../../commands/keys/key-as-of.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import {
  type ExplainVerify,
  explainVerifySchema,
  verifyBatchSchema,
  verifyKeySchema,
} from '../../schemas/commands/verify.ts';
import { positionToken, type TenantId } from '../../schemas/envelope.ts';
import { type ExplanationView, explanationViewSchema } from '../../schemas/views/keys.ts';
import { type VerifyView, verifyBatchViewSchema, verifyViewSchema } from '../../schemas/views/verify.ts';
import type { RouteRequest } from '../route.ts';
import { defineRoute, type Services } from '../services.ts';
import { rateLimitHeaders } from '../verify/rate-limit-headers.ts';
import { keyExample, POSITION_EXAMPLE } from './examples.ts';
import { readsOf } from './key-reads.ts';
import { momentOf } from './moment.ts';

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
  checks: [{ name: 'enabled', passed: false, code: 'DISABLED', detail: 'it is disabled' }],
};

/** What usage and metrics know a verify by, alone or in a batch. */
export const VERIFY_ROUTE = 'verify';

const contextOf = (request: Pick<RouteRequest, 'caller' | 'trace' | 'atLeast'>) => ({
  tenant: request.caller.tenant,
  route: VERIFY_ROUTE,
  traceId: request.trace.traceId,
  ...(request.atLeast === undefined ? {} : { atLeast: request.atLeast }),
});

/** A key that is not the caller's is NOT_FOUND, as a verify answers. */
async function explain(
  services: Services,
  tenant: TenantId,
  { keyId, asOf, ...asked }: ExplainVerify,
): Promise<ExplanationView> {
  const epoch = services.epoch();
  const moment = momentOf(asOf, epoch);
  const then = await explainAsOf(readsOf(services), tenant, keyId, moment, asked);
  if (then !== null) {
    const { code, checks, atMs, position } = then;
    return {
      valid: code === 'VALID',
      code,
      keyId,
      at: new Date(atMs).toISOString(),
      position: position && positionToken(epoch, position),
      checks: [...checks],
    };
  }
  const atMs = 'timeMs' in moment ? moment.timeMs : services.clock.now();
  const nobody = { key: null, owner: noOwner, suspended: false, parked: false };
  return {
    valid: false,
    code: 'NOT_FOUND',
    keyId,
    at: new Date(atMs).toISOString(),
    position: 'position' in moment ? positionToken(epoch, moment.position) : null,
    checks: [...explainVerdict(nobody, asked, atMs).checks],
  };
}

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
    problems: ['unknown_limit', 'request_id_reused', 'epoch_gone'],
    responses: {
      200: {
        description: 'The verdict; with `asOf` the explanation.',
        schema: verifyViewSchema,
        example: verdictExample,
        alternative: explanationViewSchema,
        alternativeExample: explanationExample,
      },
    },
    async handler(request, services) {
      const { body } = request;
      if ('asOf' in body) {
        return { status: 200, alternative: true, body: await explain(services, request.caller.tenant, body) };
      }
      const judged = services.verifier.verify(contextOf(request), body);
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
