/** Changing keys: issue, change, rotate, revoke, disable, enable, credits; many at once; leaks; imports. */
import { z } from 'zod';
import { disableKey } from '../../commands/keys/disable-key.ts';
import { enableKey } from '../../commands/keys/enable-key.ts';
import { importKeys } from '../../commands/keys/import-keys.ts';
import { issueKey } from '../../commands/keys/issue-key.ts';
import { reportLeak } from '../../commands/keys/report-leak.ts';
import { revokeKey, revokeKeys } from '../../commands/keys/revoke-key.ts';
import { revokeOwnerKeys } from '../../commands/keys/revoke-owner-keys.ts';
import { rotateKey } from '../../commands/keys/rotate-key.ts';
import { setCredits } from '../../commands/keys/set-credits.ts';
import { updateKey } from '../../commands/keys/update-key.ts';
import { KEYS_COLLECTION, keyStream, ownerStream } from '../../commands/streams.ts';
import {
  disableKeySchema,
  enableKeySchema,
  importKeysSchema,
  issueKeySchema,
  reportLeakSchema,
  revokeKeySchema,
  revokeKeysSchema,
  revokeOwnerKeysSchema,
  rotateKeySchema,
  setCreditsSchema,
  updateKeySchema,
} from '../../schemas/commands/keys.ts';
import { ownerIdSchema } from '../../schemas/values.ts';
import {
  importedKeysViewSchema,
  issuedKeyViewSchema,
  keyViewSchema,
  leakViewSchema,
  ownerRevocationViewSchema,
  revokedKeysViewSchema,
} from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { answerIssued, answerKey, atKey, inputOf, viewOf } from './answer-key.ts';
import { answerOutcome, briefly, manyOf } from './answer-outcome.ts';
import { issuedExample, keyExample } from './examples.ts';
import { keyParams } from './keys-read.ts';

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
    path: '/v1/keys/revoke',
    operationId: 'revokeKeys',
    summary: 'Revoke many keys',
    description: 'Up to 100, each alone: one that cannot be revoked does not keep the others.',
    body: revokeKeysSchema,
    bodyExample: { keyIds: ['key_4fTq0ZxW91bA'], reason: 'incident 12' },
    responses: {
      200: {
        description: 'What became of each, in the order given.',
        schema: revokedKeysViewSchema,
        example: { results: [{ keyId: keyExample.id, revokedAt: '2026-03-05T07:00:00.000Z' }] },
      },
    },
    async handler(request, services) {
      const revoked = await revokeKeys(services.execute, (target) => request.command(target), request.body);
      const results = revoked.map(({ keyId, outcome }) => {
        if (outcome.kind === 'rejected') return { keyId, error: briefly(outcome.rejection) };
        return { keyId, revokedAt: viewOf(outcome, services).revokedAt! };
      });
      return { status: 200, body: { results }, ...manyOf(revoked.map(({ outcome }) => outcome)) };
    },
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/v1/keys/import',
    operationId: 'importKeys',
    summary: 'Import keys by digest',
    description:
      'Keys that were issued elsewhere, by the SHA-256 of their text: up to 100, each alone. They verify as they are.',
    body: importKeysSchema,
    maxBodyBytes: 2 * 1024 * 1024,
    bodyExample: {
      keys: [
        {
          digest: {
            algorithm: 'sha256',
            value: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
          },
          ownerId: 'customer-42',
        },
      ],
    },
    responses: {
      200: {
        description: 'What became of each, in the order given.',
        schema: importedKeysViewSchema,
        example: { results: [{ index: 0, keyId: keyExample.id }] },
      },
    },
    async handler(request, services) {
      const imported = await importKeys(services.execute, (target) => request.command(target), request.body);
      const results = imported.map(({ index, keyId, outcome }) =>
        outcome.kind === 'rejected' ? { index, error: briefly(outcome.rejection) } : { index, keyId },
      );
      return { status: 200, body: { results }, ...manyOf(imported.map(({ outcome }) => outcome)) };
    },
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/v1/keys/leaked',
    operationId: 'reportLeakedKey',
    summary: 'Report a leaked key',
    description: 'Paste the text that was found: learn which key it is, and revoke it if you say so.',
    body: reportLeakSchema,
    bodyExample: { key: 'the whole text of the key', source: 'a public repository', revoke: true },
    responses: {
      200: {
        description: 'Which key it is.',
        schema: leakViewSchema,
        example: { key: keyExample, secret: 'current', revoked: true },
      },
    },
    problems: ['not_found', 'conflict', 'verify_stale'],
    async handler(request, services) {
      const at = (keyId: string) => request.command(keyStream(keyId));
      const outcome = await reportLeak(services.execute, at, request.caller.tenant, request.body);
      const answer = answerKey(outcome, services);
      if (outcome.kind === 'rejected') return answer;
      const { secret, revoked } = outcome;
      return { ...answer, body: { key: answer.body, secret, revoked } };
    },
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/v1/owners/{ownerId}/revoke-keys',
    operationId: 'revokeOwnerKeys',
    summary: 'Revoke all keys of an owner',
    description:
      'Every key of the owner that was issued before this is revoked at once; those issued later are not.',
    access: { permission: 'owners:write' },
    params: z.strictObject({
      ownerId: ownerIdSchema.meta({ description: 'Your own id of the owner.', examples: ['customer-42'] }),
    }),
    body: revokeOwnerKeysSchema,
    bodyExample: { reason: 'account closed' },
    responses: {
      200: {
        description: 'Revoked.',
        schema: ownerRevocationViewSchema,
        example: { ownerId: 'customer-42', revokedAt: '2026-03-05T07:00:00.000Z', version: 1 },
      },
    },
    async handler(request, services) {
      const { ownerId } = request.params;
      const context = request.command(ownerStream(request.caller.tenant, ownerId));
      const outcome = await revokeOwnerKeys(services.execute, context, { ownerId, ...request.body });
      return answerOutcome(outcome, ({ state, version }) => ({
        status: 200,
        version,
        body: { ownerId, revokedAt: new Date(state.revokedAllAtMs).toISOString(), version },
      }));
    },
  }),
];
