/** Begins an environment's stream, and gives it the flags that it has not. What is there already stays. */
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Decision } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { changeEnvironment, type InEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import type { EditableFlag } from './flag-parts.ts';
import type { FlagDeps } from './project-command.ts';
import type { FlagBeginning, ProjectFlag } from './project-state.ts';

interface Command extends InEnvironment {
  readonly approvalsRequired: number;
  readonly flags: readonly ProjectFlag[];
}

/** Off, and ready to serve one variant to everybody. */
export function flagAtBeginning(beginning: Omit<FlagBeginning, 'seed' | 'bucketing'>): EditableFlag {
  const { type, variants, jsonSchema, clientVisible, offVariant, onVariant } = beginning;
  const settings = {
    mode: 'off' as const,
    offVariant,
    prerequisites: [],
    targets: [],
    rules: [],
    fallthrough: { variant: onVariant },
  };
  return { type, variants, jsonSchema, clientVisible, settings };
}

export function decideBegin(command: Command, state: EnvironmentState): Decision<EnvironmentEvent> {
  const { project, environment, approvalsRequired, flags } = command;
  const accept: EnvironmentEvent[] = [];
  if (state.environment === null) {
    accept.push({ type: 'environment.created', data: { project, environment, approvalsRequired } });
  }
  for (const { flag, beginning } of flags) {
    if (state.flags.has(flag)) continue;
    const { seed, bucketing } = beginning;
    const data = { flag, seed, bucketing, ...flagAtBeginning(beginning) };
    accept.push({ type: 'flag.added', data: data as Added });
  }
  return { accept };
}

type Added = Extract<EnvironmentEvent, { type: 'flag.added' }>['data'];

/** `context`: at the environment's stream. A flag that is off in it changes no answer that anybody relies on. */
export function beginEnvironment(
  deps: FlagDeps,
  context: CommandContext,
  command: Command,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment } = command;
  return changeEnvironment(deps, {
    context,
    project,
    environment,
    exempt: true,
    command: () => command,
    decide: decideBegin,
  });
}
