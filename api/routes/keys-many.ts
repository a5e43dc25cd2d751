/** What reaches further than one key that is named: many at once, imports, leaks, all of an owner. */
import { z } from 'zod';
import { importKeys } from '../../commands/keys/import-keys.ts';
import { reportLeak } from '../../commands/keys/report-leak.ts';
import { revokeKeys } from '../../commands/keys/revoke-key.ts';
import { revokeOwnerKeys } from '../../commands/keys/revoke-owner-keys.ts';
import { keyStream, ownerStream } from '../../commands/streams.ts';
import {
  importKeysSchema,
  reportLeakSchema,
  revokeKeysSchema,
  revokeOwnerKeysSchema,
} from '../../schemas/commands/keys.ts';
import { ownerIdSchema } from '../../schemas/values.ts';
import {
  importedKeysViewSchema,
  leakViewSchema,
  ownerRevocationViewSchema,
  revokedKeysViewSchema,
} from '../../schemas/views/keys.ts';
import { defineRoute } from '../services.ts';
import { answerKey, viewOf } from './answer-key.ts';
import { answerOutcome, briefly, manyOf } from './answer-outcome.ts';
import { keyExample } from './examples.ts';
import { mustBeOpenForIssuing } from './open-for-issuing.ts';

const common = { tag: 'Keys', access: { permission: 'keys:write' }, idempotent: true } as const;

export const keysManyRoutes = [
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
      mustBeOpenForIssuing(services);
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
