/** Stops a flag at once: everybody gets the off variant. Needs no approval; why is kept. */
import type { KillFlag } from '../../schemas/commands/projects.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { flagIsArchived } from './change-flag.ts';
import { changeEnvironment, flagIn, type InEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import type { FlagDeps } from './project-command.ts';

type Command = KillFlag & { readonly flag: string };

export function decideKillFlag(command: Command, environment: EnvironmentState): Decision<EnvironmentEvent> {
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  if (flag.archived) return flagIsArchived;
  if (flag.settings.mode === 'killed') return { accept: [] };
  return { accept: [{ type: 'flag.killed', data: { flag: flag.key, reason: command.reason } }] };
}

/** Killing a killed flag changes nothing. `context`: at the environment's stream. */
export function killFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment, ...command } = input;
  return changeEnvironment(deps, {
    context,
    project,
    environment,
    exempt: true,
    command: () => command,
    decide: decideKillFlag,
  });
}
