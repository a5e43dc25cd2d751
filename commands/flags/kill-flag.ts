/** Stops a flag at once: everybody gets the off variant. Needs no approval; why is kept. */
import type { KillFlag } from '../../schemas/commands/projects.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { flagIsArchived } from './change-flag.ts';
import { commandIn, flagIn, type InEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import { killInParked } from './kill-in-parked.ts';
import type { FlagDeps } from './project-command.ts';

export type KillCommand = KillFlag & { readonly flag: string };

export function decideKillFlag(
  command: KillCommand,
  environment: EnvironmentState,
): Decision<EnvironmentEvent> {
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  if (flag.archived) return flagIsArchived;
  if (flag.settings.mode === 'killed') return { accept: [] };
  return { accept: [{ type: 'flag.killed', data: { flag: flag.key, reason: command.reason } }] };
}

/**
 * Killing a killed flag changes nothing. Where an event of the environment cannot be read the flag is killed
 * all the same (`killInParked`). `context`: at the environment's stream.
 */
export async function killFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: KillCommand & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  try {
    return await commandIn(deps, context, input, decideKillFlag, true);
  } catch (error) {
    if (!(error instanceof PlinthError) || error.rejection.code !== 'stream_parked') throw error;
    const outcome = await killInParked(deps, context, input);
    if (outcome === null) throw error;
    return outcome;
  }
}
