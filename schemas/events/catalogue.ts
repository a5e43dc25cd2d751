/** Every event that the house knows, one line a domain. */
import type { EventDefinition, EventDefinitions } from './definition.ts';
import { environmentEvents, projectEvents, requestEvents } from './flags.ts';
import { keyEvents, ownerEvents } from './keys.ts';
import { projectionEvents } from './projections.ts';
import { subjectEvents } from './subjects.ts';
import { tenantEvents } from './tenants.ts';
import { usageEvents } from './usage.ts';

export const domainEvents: Readonly<Record<string, EventDefinitions>> = {
  tenants: tenantEvents,
  keys: keyEvents,
  owners: ownerEvents,
  subjects: subjectEvents,
  usage: usageEvents,
  projections: projectionEvents,
  flags: { ...projectEvents, ...environmentEvents, ...requestEvents },
};

export const eventCatalogue: ReadonlyMap<string, EventDefinition> = new Map(
  Object.values(domainEvents).flatMap((events) => Object.entries(events)),
);
