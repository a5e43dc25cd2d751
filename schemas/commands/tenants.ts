/** What can be asked of tenants: only by keys of the default tenant. */
import { z } from 'zod';
import { permissionDomains, permissionSchema, platformDomains } from '../permissions.ts';
import { instantSchema, nameSchema, reasonSchema, slugSchema } from '../values.ts';

export const createTenantSchema = z.strictObject({
  /** Unique for ever, and never personal. */
  slug: slugSchema,
  name: nameSchema.nullable().default(null),
});
export type CreateTenant = z.infer<typeof createTenantSchema>;

const reason = reasonSchema.nullable().default(null);

export const suspendTenantSchema = z.strictObject({ reason });
export type SuspendTenant = z.infer<typeof suspendTenantSchema>;

export const resumeTenantSchema = z.strictObject({ reason });
export type ResumeTenant = z.infer<typeof resumeTenantSchema>;

/** What a tenant's own administrator needs: everything that does not reach across tenants. */
export const TENANT_ADMIN_PERMISSIONS: readonly string[] = permissionDomains
  .filter((domain) => !platformDomains.includes(domain))
  .map((domain) => `${domain}:*`);

/** The first management key of a tenant. */
export const issueAdminKeySchema = z.strictObject({
  name: nameSchema.nullable().default(null),
  permissions: z
    .array(permissionSchema)
    .max(50)
    .default([...TENANT_ADMIN_PERMISSIONS]),
  expiresAt: instantSchema.nullable().default(null),
});
export type IssueAdminKey = z.infer<typeof issueAdminKeySchema>;
