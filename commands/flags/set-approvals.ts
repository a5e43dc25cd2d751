/**
 * Says how many approvals of others an environment asks for. Whoever may do this may do without them, which
 * is why it is a permission of its own; the log tells of it.
 */
import type { ChangeEnvironment } from '../../schemas/commands/projects.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { changeEnvironment, type InEnvironment, noSuchEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import type { FlagDeps } from './project-command.ts';

export function decideSetApprovals(
  data: ChangeEnvironment,
  { environment, approvalsRequired }: EnvironmentState,
): Decision<EnvironmentEvent> {
  if (environment === null) return noSuchEnvironment;
  if (approvalsRequired === data.approvalsRequired) return { accept: [] };
  return { accept: [{ type: 'environment.approvals-changed', data }] };
}

/** `context`: at the environment's stream. */
export function setApprovals(
  deps: FlagDeps,
  context: CommandContext,
  input: ChangeEnvironment & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment, ...command } = input;
  return changeEnvironment(deps, {
    context,
    project,
    environment,
    exempt: true,
    command: () => command,
    decide: decideSetApprovals,
  });
}
