/**
 * Brings what a project gets to its environments: each new environment begins with every flag, and each new
 * flag is in every environment. The command that made them does the same at once; this does what it could not.
 */
import { fold } from '../commands/execute.ts';
import type { FlagDeps } from '../commands/flags/project-command.ts';
import { evolveProject, noProject, type ProjectState } from '../commands/flags/project-state.ts';
import { spread } from '../commands/flags/spread.ts';
import type { Reactor } from '../commands/reactor.ts';
import type { DecodedEvent, TenantId } from '../schemas/envelope.ts';
import type { ProjectEvent } from '../schemas/events/flags.ts';

/** Part of its command ids, and the name of its checkpoint. */
export const FLAG_SPREAD = 'flag-spread';

export function flagSpread(deps: FlagDeps): Reactor {
  return {
    name: FLAG_SPREAD,
    types: new Set<ProjectEvent['type']>(['project.environment-added', 'project.flag-created']),
    async react(event, commandId) {
      const { data } = event as DecodedEvent & ProjectEvent;
      const tenant = event.metadata.tenant as TenantId;
      const decider = { initial: noProject, evolve: evolveProject };
      const { state } = await fold<ProjectState, ProjectEvent>(deps, decider, event.stream, tenant);
      const results = await spread(
        deps,
        (target, index) => ({
          commandId: commandId(target, index),
          tenant,
          actor: `system:${FLAG_SPREAD}`,
          requestDigest: null,
          correlationId: event.metadata.correlationId,
          causationId: event.id,
          traceparent: event.metadata.traceparent,
        }),
        tenant,
        state,
        'environment' in data
          ? { environments: [data.environment] }
          : { flags: [(data as { flag: string }).flag] },
      );
      const failed = results.find(({ rejection }) => rejection !== null);
      // Nothing refuses it but too many writers at once: that is tried again.
      if (failed) throw new Error(`${failed.environment}: ${failed.rejection!.detail}`);
    },
  };
}
