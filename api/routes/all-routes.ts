/** One line a domain. */
import type { Route } from '../route.ts';
import type { Services } from '../services.ts';
import { changeRequestRoutes } from './change-requests.ts';
import { flagChangeRoutes } from './flag-changes.ts';
import { flagReadRoutes } from './flag-reads.ts';
import { flagdSyncRoutes } from './flagd-sync.ts';
import { flagRoutes } from './flags.ts';
import { keyTimeTravelRoutes } from './key-time-travel.ts';
import { keysManyRoutes } from './keys-many.ts';
import { keyReadRoutes } from './keys-read.ts';
import { keyWriteRoutes } from './keys-write.ts';
import { ofrepRoutes } from './ofrep.ts';
import { ofrepEventsRoutes } from './ofrep-events.ts';
import { projectionRoutes } from './projections.ts';
import { projectRoutes } from './projects.ts';
import { segmentRoutes } from './segments.ts';
import { subjectRoutes } from './subjects.ts';
import { tenantRoutes } from './tenants.ts';
import { usageRoutes } from './usage.ts';
import { verifyRoutes } from './verify.ts';
import { whoamiRoutes } from './whoami.ts';

export const allRoutes: readonly Route<Services>[] = [
  ...verifyRoutes,
  ...keyWriteRoutes,
  ...keysManyRoutes,
  ...keyReadRoutes,
  ...keyTimeTravelRoutes,
  ...usageRoutes,
  ...projectRoutes,
  ...flagRoutes,
  ...flagChangeRoutes,
  ...flagReadRoutes,
  ...segmentRoutes,
  ...changeRequestRoutes,
  ...ofrepRoutes,
  ...flagdSyncRoutes,
  ...ofrepEventsRoutes,
  ...tenantRoutes,
  ...subjectRoutes,
  ...projectionRoutes,
  ...whoamiRoutes,
];
