/** What rollbacks and copies of a change request lead to: revisions do not change, whatever else does. */
import type { RequestedCommand } from '../../schemas/commands/change-requests.ts';
import type { DecodedEvent } from '../../schemas/envelope.ts';
import { decodeStream, ownEvents, publicDecoder } from '../decode-stream.ts';
import type { CommandContext } from '../execute.ts';
import { environmentStream } from '../streams.ts';
import type { RecordedCommand } from './change-request.ts';
import type { InEnvironment } from './environment-command.ts';
import type { EnvironmentFlag } from './environment-state.ts';
import type { FlagDeps } from './project-command.ts';
import type { Targets } from './requested-commands.ts';
import { flagAtRevision } from './rollback-flag.ts';

export interface ResolvedCommands {
  readonly commands: readonly RecordedCommand[];
  readonly targets: Targets;
}

/** Reads each environment that is named once, and none where no command names a revision. */
export async function resolveCommands(
  deps: Pick<FlagDeps, 'log' | 'codec'>,
  { tenant }: Pick<CommandContext, 'tenant'>,
  { project, environment }: InEnvironment,
  commands: readonly (RequestedCommand | RecordedCommand)[],
): Promise<ResolvedCommands> {
  const read = new Map<string, readonly DecodedEvent[]>();
  const eventsOf = async (name: string) => {
    const known = read.get(name);
    if (known) return known;
    const recorded = await deps.log.readStream(environmentStream(tenant, project, name));
    const events = await decodeStream(publicDecoder(deps.codec), ownEvents(recorded, tenant));
    read.set(name, events);
    return events;
  };
  const targets = new Map<number, EnvironmentFlag | undefined>();
  const recorded: RecordedCommand[] = [];
  for (const [i, command] of commands.entries()) {
    if (command.do === 'rollback') {
      targets.set(i, flagAtRevision(await eventsOf(environment), command.flag, command.revision));
      recorded.push(command);
    } else if (command.do === 'copy') {
      const revision = 'revision' in command ? command.revision : undefined;
      const target = flagAtRevision(await eventsOf(command.from), command.flag, revision);
      targets.set(i, target);
      recorded.push({ ...command, revision: target?.revision ?? 0 });
    } else recorded.push(command);
  }
  return { commands: recorded, targets };
}
