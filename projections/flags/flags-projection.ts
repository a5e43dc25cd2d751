/**
 * The read model that flag serving trusts, in the order of the log: environments with their flags and
 * segments, and projects with what is known of each flag, names left out. One row a flag and environment, so
 * that a change costs one row, and whoever serves an environment reads what has changed since it read last.
 */
import {
  environmentEvents,
  type PublicEnvironmentEvent,
  type PublicProjectEvent,
  projectEvents,
} from '../../schemas/events/flags.ts';
import type { Projection } from '../projection.ts';
import { writeEnvironments } from './environment-rows.ts';
import { createFlagsTables, flagsTables } from './flags-tables.ts';
import { writeProjects } from './project-rows.ts';

export const flagsProjection: Projection = {
  name: 'flags',
  revision: 1,
  order: 'log',
  types: new Set([projectEvents, environmentEvents].flatMap(Object.keys)),
  tables: flagsTables,
  reads: 'public',
  publishesChanges: true,
  create: createFlagsTables,
  async apply(tx, tables, events) {
    const projects = events.filter((event) => event.type in projectEvents) as PublicProjectEvent[];
    const environments = events.filter(
      (event) => event.type in environmentEvents,
    ) as PublicEnvironmentEvent[];
    await writeProjects(tx, tables, projects);
    await writeEnvironments(tx, tables, environments);
  },
};
