/**
 * Brings what a project gets to its environments: each new environment begins with every flag, and each new
 * flag is in every environment. The command that made them does the same at once; this does what it could not.
 */
import { decodeStream, publicDecoder } from '../commands/decode-stream.ts';
import { fold } from '../commands/execute.ts';
import type { FlagDeps } from '../commands/flags/project-command.ts';
import { evolveProject, noProject, type ProjectState } from '../commands/flags/project-state.ts';
import { type SpreadContext, spread } from '../commands/flags/spread.ts';
import type { Reactor } from '../commands/reactor.ts';
import { projectStream } from '../commands/streams.ts';
import { unlessParked } from '../commands/unless-parked.ts';
import { flagsProjection } from '../projections/flags/flags-projection.ts';
import { categoryOf, type DecodedEvent, type StreamId, type TenantId } from '../schemas/envelope.ts';
import type { EnvironmentEvent, ProjectEvent } from '../schemas/events/flags.ts';
import type { ProjectionEvent } from '../schemas/events/projections.ts';

/** Part of its command ids, and the name of its checkpoint. */
export const FLAG_SPREAD = 'flag-spread';

type Heard = (ProjectEvent | ProjectionEvent)['type'];

export function flagSpread(deps: FlagDeps): Reactor {
  return {
    name: FLAG_SPREAD,
    types: new Set<Heard>([
      'project.environment-added',
      'project.flag-created',
      // An environment that waited for an operator gets what it could not be given.
      'projection.replay-requested',
      'projection.discard-requested',
    ]),
    async react(event, commandId) {
      const tenant = event.metadata.tenant as TenantId;
      const what = await brought(deps, event);
      if (what === null) return;
      const { stream, ...things } = what;
      const decider = { initial: noProject, evolve: evolveProject };
      const folded = await unlessParked(fold<ProjectState, ProjectEvent>(deps, decider, stream, tenant));
      // Whoever mends the project's stream has what is missing made once more, by another flag or environment.
      if (folded === null) return;
      const contextOf: SpreadContext = (target, index) => ({
        commandId: commandId(target, index),
        tenant,
        actor: `system:${FLAG_SPREAD}`,
        requestDigest: null,
        correlationId: event.metadata.correlationId,
        causationId: event.id,
        traceparent: event.metadata.traceparent,
      });
      const results = await spread(deps, contextOf, tenant, folded.state, things);
      const failed = results.find(
        ({ rejection }) => rejection !== null && rejection.code !== 'stream_parked',
      );
      // Nothing refuses it but too many writers at once: that is tried again. One tenant's environment that
      // waits for an operator keeps no other waiting: it is brought what it lacks when it goes on.
      if (failed) throw new Error(`${failed.environment}: ${failed.rejection!.detail}`);
    },
  };
}

/** The project's stream, and which of its environments and flags the event is about; null: it is about none. */
async function brought(
  { log, codec }: FlagDeps,
  event: DecodedEvent,
): Promise<{
  readonly stream: StreamId;
  readonly environments?: string[];
  readonly flags?: string[];
} | null> {
  const { stream } = event;
  const { type, data } = event as DecodedEvent & (ProjectEvent | ProjectionEvent);
  switch (type) {
    case 'project.environment-added':
      return { stream, environments: [data.environment] };
    case 'project.flag-created':
      return { stream, flags: [data.flag] };
    case 'projection.replay-requested':
    case 'projection.discard-requested': {
      if (data.projection !== flagsProjection.name || categoryOf(stream) !== 'environment') return null;
      const [first] = await log.readStream(stream, { through: 1 });
      const begun = first && (await unlessParked(decodeStream(publicDecoder(codec), [first])));
      const created = begun?.[0] as (DecodedEvent & EnvironmentEvent) | undefined;
      if (created?.type !== 'environment.created') return null;
      const { project, environment } = created.data;
      return { stream: projectStream(event.metadata.tenant, project), environments: [environment] };
    }
    default:
      return null;
  }
}
