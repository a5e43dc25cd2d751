import { z } from 'zod';
import { personal } from '../personal.ts';
import { reasonSchema, slugSchema } from '../values.ts';
import { type DecodedOf, defineEvent, type EventOf } from './definition.ts';

export const tenantEvents = {
  'tenant.created': defineEvent(
    1,
    z.strictObject({ tenantId: z.string(), slug: slugSchema, name: personal(z.string()) }),
  ),
  'tenant.suspended': defineEvent(1, z.strictObject({ reason: personal(reasonSchema) })),
  'tenant.resumed': defineEvent(1, z.strictObject({ reason: personal(reasonSchema) })),
};

export type TenantEvent = EventOf<typeof tenantEvents>;
export type DecodedTenantEvent = DecodedOf<typeof tenantEvents>;
