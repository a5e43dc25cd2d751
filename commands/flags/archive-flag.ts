/** Takes a flag out of one environment: whoever still asks uses the default in the code. And brings it back. */
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { invalid } from './change-flag.ts';
import { type CompileBudget, faultOfFlags, withDependents } from './check-environment.ts';
import { commandIn, flagIn, type InEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import type { FlagDeps } from './project-command.ts';

interface Command {
  readonly flag: string;
  readonly archived: boolean;
  readonly reason: string | null;
}

export function decideArchiveFlag(
  command: Command,
  environment: EnvironmentState,
  budget?: CompileBudget,
): Decision<EnvironmentEvent> {
  const { archived, reason } = command;
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  if (flag.archived === archived) return { accept: [] };
  if (archived) {
    const [, dependent] = withDependents(environment.flags, [flag.key]);
    if (dependent !== undefined) {
      const detail = `Flag ${dependent} requires this one; change its prerequisites first.`;
      return reject({ code: 'conflict', detail });
    }
    return { accept: [{ type: 'flag.archived', data: { flag: flag.key, reason } }] };
  }
  // What it refers to may have gone meanwhile.
  const flags = environment.flags.set(flag.key, { ...flag, archived });
  const fault = faultOfFlags({ ...environment, flags }, [flag.key], budget);
  if (fault !== null) return invalid('flag', fault);
  return { accept: [{ type: 'flag.restored', data: { flag: flag.key, reason } }] };
}

/** `context`: at the environment's stream. */
export function archiveFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  return commandIn(deps, context, input, decideArchiveFlag);
}
