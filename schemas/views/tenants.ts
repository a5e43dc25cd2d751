import { z } from 'zod';
import { instantSchema, slugSchema, tenantIdSchema } from '../values.ts';

export const tenantViewSchema = z.strictObject({
  id: tenantIdSchema,
  /** Version of the tenant's stream; its ETag is this number in quotes. */
  version: z.int(),
  slug: slugSchema,
  name: z.string().nullable(),
  status: z.enum(['active', 'suspended']),
  createdAt: instantSchema,
});
export type TenantView = z.infer<typeof tenantViewSchema>;
