/** Makes a flag in one environment what it is in another, seed and all: who was dealt what stays so. */
import type { CopyFlag } from '../../schemas/commands/projects.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { environmentStream } from '../streams.ts';
import { decideParts, invalid } from './change-flag.ts';
import { changeEnvironment, flagIn, type InEnvironment } from './environment-command.ts';
import {
  type EnvironmentFlag,
  type EnvironmentState,
  evolveEnvironment,
  noEnvironment,
} from './environment-state.ts';
import { type FlagDeps, staleRevision } from './project-command.ts';

interface Command extends CopyFlag {
  readonly flag: string;
  readonly ifRevision?: number | undefined;
}

/** @param source the flag in the environment that it is copied from */
export function decideCopyFlag(
  command: Command & { readonly source: EnvironmentFlag | undefined },
  environment: EnvironmentState,
): Decision<EnvironmentEvent> {
  const { source, from, reason, ifRevision } = command;
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  const stale = staleRevision(ifRevision, flag.revision);
  if (stale) return stale;
  if (!source) return invalid('from', `there is no such flag in ${from}`);
  if (source.archived) return reject({ code: 'conflict', detail: `The flag is archived in ${from}.` });
  const cause = { kind: 'copy', id: null, revision: source.revision, environment: from };
  return decideParts(environment, flag, source, cause, reason);
}

/** `context`: at the stream of the environment that is changed. */
export function copyFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment, ...command } = input;
  return changeEnvironment(deps, {
    context,
    project,
    environment,
    async command() {
      const stream = environmentStream(context.tenant, project, command.from);
      const decider = { initial: noEnvironment, evolve: evolveEnvironment };
      const folding = { stream, decider, context, ownOnly: true };
      const { state } = await deps.hotFolds.fold<EnvironmentState, EnvironmentEvent>(deps, folding);
      return { ...command, source: state.flags.get(command.flag) };
    },
    decide: decideCopyFlag,
  });
}
