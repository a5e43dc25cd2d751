/** Changing keys: issue, change, rotate, revoke, disable, enable, credits; many at once; leaks; imports. */
import { z } from 'zod';
import { disableKey } from '../../commands/keys/disable-key.ts';
import { enableKey } from '../../commands/keys/enable-key.ts';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { repepperKey } from '../../commands/keys/repepper-key.ts';
import { revokeKey } from '../../commands/keys/revoke-key.ts';
import { rotateKey } from '../../commands/keys/rotate-key.ts';
import { setCredits } from '../../commands/keys/set-credits.ts';
import { updateKey } from '../../commands/keys/update-key.ts';
import { KEYS_COLLECTION } from '../../commands/streams.ts';
import {
  disableKeySchema,
  enableKeySchema,
  issueKeySchema,
  revokeKeySchema,
  rotateKeySchema,
  setCreditsSchema,
  updateKeySchema,
} from '../../schemas/commands/keys.ts';
import { issuedKeyViewSchema, keyViewSchema } from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { answerIssued, answerKey, atKey, inputOf } from './answer-key.ts';
import { issuedExample, keyExample } from './examples.ts';
import { keyParams } from './keys-read.ts';
import { mustBeOpenForIssuing } from './open-for-issuing.ts';

const keyAnswer = (description: string) => ({
  200: { description, schema: keyViewSchema, example: keyExample },
});
const common = { tag: 'Keys', access: { permission: 'keys:write' }, idempotent: true } as const;
/** Every command at one key. */
const ofOne = { ...common, params: keyParams, conditional: true, problems: ['conflict'] } as const;

export const keyWriteRoutes = [
  defineRoute({
    ...common,
    method: 'POST',
    path: '/v1/keys',
    operationId: 'issueKey',
    summary: 'Issue a key',
    description:
      'Answers the secret, this once: it is kept nowhere. A replay of the command answers without it and says so (`secretShown`).',
    body: issueKeySchema,
    bodyExample: {
      ownerId: 'customer-42',
      name: 'Billing export',
      scopes: ['invoices:read'],
      limits: [{ name: 'burst', limit: 100, windowSeconds: 60 }],
    },
    problems: ['permission_escalation', 'conflict'],
    responses: { 201: { description: 'Issued.', schema: issuedKeyViewSchema, example: issuedExample } },
    async handler(request, services) {
      mustBeOpenForIssuing(services);
      const context = request.command(KEYS_COLLECTION);
      const outcome = await issueKey(services.execute, context, request.caller, request.body);
      return answerIssued(201, outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'PATCH',
    path: '/v1/keys/{id}',
    operationId: 'updateKey',
    summary: 'Change a key',
    description: 'What is left out stays; null empties. Owner, use and mode never change.',
    body: updateKeySchema,
    bodyExample: { scopes: ['invoices:read', 'invoices:write'] },
    problems: ['conflict', 'permission_escalation'],
    responses: keyAnswer('The key as it is now.'),
    async handler(request, services) {
      const outcome = await updateKey(services.execute, atKey(request), request.caller, inputOf(request));
      return answerKey(outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'POST',
    path: '/v1/keys/{id}/rotate',
    operationId: 'rotateKey',
    summary: 'Rotate a key',
    description:
      'Answers a new secret of the same key, this once. Secrets before it stay good for the overlap: 24 h unless given, 0 ends them at once.',
    body: rotateKeySchema,
    bodyExample: { overlapSeconds: 3_600 },
    responses: { 200: { description: 'Rotated.', schema: issuedKeyViewSchema, example: issuedExample } },
    async handler(request, services) {
      const outcome = await rotateKey(services.execute, atKey(request), request.caller, inputOf(request));
      return answerIssued(200, outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'POST',
    path: '/v1/keys/{id}/revoke',
    operationId: 'revokeKey',
    summary: 'Revoke a key',
    description: 'At once, and for ever. Revoking a revoked key changes nothing.',
    body: revokeKeySchema,
    bodyExample: { reason: 'customer left' },
    responses: keyAnswer('The key, revoked.'),
    async handler(request, services) {
      const outcome = await revokeKey(services.execute, atKey(request), inputOf(request));
      return answerKey(outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'POST',
    path: '/v1/keys/{id}/disable',
    operationId: 'disableKey',
    summary: 'Disable a key',
    description: 'Until it is enabled again.',
    body: disableKeySchema,
    bodyExample: { reason: 'invoice overdue' },
    responses: keyAnswer('The key, disabled.'),
    async handler(request, services) {
      const outcome = await disableKey(services.execute, atKey(request), inputOf(request));
      return answerKey(outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'POST',
    path: '/v1/keys/{id}/enable',
    operationId: 'enableKey',
    summary: 'Enable a key',
    description: 'After it was disabled. A revoked key stays revoked.',
    body: enableKeySchema,
    bodyExample: { reason: 'invoice paid' },
    responses: keyAnswer('The key, enabled.'),
    async handler(request, services) {
      const outcome = await enableKey(services.execute, atKey(request), request.caller, inputOf(request));
      return answerKey(outcome, services);
    },
  }),
  defineRoute({
    ...ofOne,
    method: 'PUT',
    path: '/v1/keys/{id}/credits',
    operationId: 'setKeyCredits',
    summary: 'Set the credits of a key',
    description: 'The balance, and how it refills; null: the key needs no credits any more.',
    body: setCreditsSchema,
    bodyExample: { credits: { remaining: 10_000, refill: { amount: 10_000, everySeconds: 86_400 } } },
    responses: keyAnswer('The key as it is now.'),
    async handler(request, services) {
      const outcome = await setCredits(services.execute, atKey(request), request.caller, inputOf(request));
      return answerKey(outcome, services);
    },
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/v1/keys/{id}/repepper',
    operationId: 'repepperKey',
    summary: 'Put a key under the current pepper',
    description:
      'Its digests are made anew from the digests kept, so that no secret is needed and none changes. The command line does it for all keys at once.',
    params: keyParams,
    body: z.strictObject({}),
    bodyExample: {},
    problems: ['conflict'],
    responses: keyAnswer('The key as it is now.'),
    async handler(request, services) {
      const { id } = request.params;
      return answerKey(await repepperKey(services.execute, atKey(request), { keyId: id }), services);
    },
  }),
];
