import { z } from 'zod';
import { keyIdSchema, tenantIdSchema } from '../../schemas/values.ts';
import { defineRoute } from '../services.ts';
import { keyExample, tenantExample } from './examples.ts';

export const whoamiRoutes = [
  defineRoute({
    method: 'GET',
    path: '/v1/whoami',
    operationId: 'whoami',
    summary: 'Which key this is',
    description: 'Tenant, id and permissions of the calling key.',
    tag: 'Self',
    access: { anyCredential: true },
    responses: {
      200: {
        description: 'The caller.',
        schema: z.strictObject({
          tenant: tenantIdSchema,
          keyId: keyIdSchema,
          permissions: z.array(z.string()),
        }),
        example: { tenant: tenantExample.id, keyId: keyExample.createdBy, permissions: ['keys:*'] },
      },
    },
    handler({ caller }) {
      const { tenant, keyId, permissions } = caller;
      return { status: 200, body: { tenant, keyId, permissions } };
    },
  }),
];
