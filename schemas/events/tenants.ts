import { z } from 'zod';
import { personal } from '../personal.ts';
import { reasonSchema, slugSchema } from '../values.ts';
import { type DecodedOf, defineEvent, type EventOf, type PublicOf } from './definition.ts';

export const tenantEvents = {
  'tenant.created': defineEvent(
    1,
    z
      .strictObject({ tenantId: z.string(), slug: slugSchema, name: personal(z.string()) })
      .describe('A tenant was created.'),
  ),
  'tenant.suspended': defineEvent(
    1,
    z
      .strictObject({ reason: personal(reasonSchema) })
      .describe('A tenant was suspended: its keys are refused.'),
  ),
  'tenant.resumed': defineEvent(
    1,
    z
      .strictObject({ reason: personal(reasonSchema) })
      .describe('A tenant was resumed: its keys are good again.'),
  ),
};

export type TenantEvent = EventOf<typeof tenantEvents>;
export type DecodedTenantEvent = DecodedOf<typeof tenantEvents>;
export type PublicTenantEvent = PublicOf<typeof tenantEvents>;
