/** The tenant that is there from the first start; its management keys may carry platform permissions. */
import { tenantIdOf } from '../ids.ts';

export const DEFAULT_TENANT_SLUG = 'default';
export const DEFAULT_TENANT = tenantIdOf(DEFAULT_TENANT_SLUG);
