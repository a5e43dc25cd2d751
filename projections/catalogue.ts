/** Every projection, one line each: what the projector runs, and the command line lists. */
import { changeRequestsProjection } from './flags/change-requests-projection.ts';
import { flagTextsProjection } from './flags/flag-texts-projection.ts';
import { flagsProjection } from './flags/flags-projection.ts';
import { keyListProjection } from './keys/key-list-projection.ts';
import { keysProjection } from './keys/keys-projection.ts';
import type { Projection } from './projection.ts';
import { tenantsProjection } from './tenants/tenants-projection.ts';
import { usageProjection } from './usage/usage-projection.ts';

export const projectionCatalogue: readonly Projection[] = [
  keysProjection,
  keyListProjection,
  tenantsProjection,
  usageProjection,
  flagsProjection,
  flagTextsProjection,
  changeRequestsProjection,
];
