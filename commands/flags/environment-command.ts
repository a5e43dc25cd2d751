/** What all commands at an environment share: who is refused, and what an answer may be changed by. */
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import { type CommandContext, execute, type Outcome } from '../execute.ts';
import { environmentStream } from '../streams.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { evolveEnvironment, noEnvironment } from './environment-state.ts';
import { type FlagDeps, noSuchFlag } from './project-command.ts';

export const noSuchEnvironment = reject({ code: 'not_found', detail: 'There is no such environment.' });

/** Where a command is aimed. */
export interface InEnvironment {
  readonly project: string;
  readonly environment: string;
}

export interface EnvironmentChange<C> extends InEnvironment {
  /** At the environment's stream. */
  readonly context: CommandContext;
  /**
   * Whether it may be done where changes need approvals, and nobody gave any. Killing may, and what
   * changes no answer.
   */
  readonly exempt?: boolean;
  /** Made anew for each attempt, from the state that it is decided on. */
  command(facts: { readonly state: EnvironmentState }): C | Promise<C>;
  decide(command: C, environment: EnvironmentState): Decision<EnvironmentEvent>;
}

/** The one door to an environment: folds it, asks for approvals, decides, appends. */
export function changeEnvironment<C>(
  deps: FlagDeps,
  change: EnvironmentChange<C>,
): Promise<Outcome<EnvironmentState>> {
  const { context, project, environment, exempt = false, command, decide } = change;
  return execute<EnvironmentState, C, EnvironmentEvent>(deps, {
    decider: {
      initial: noEnvironment,
      evolve: evolveEnvironment,
      decide(asked, state) {
        const decision = decide(asked, state);
        if ('reject' in decision || decision.accept.length === 0 || exempt) return decision;
        return state.approvalsRequired > 0 ? approvalNeeded(state.approvalsRequired) : decision;
      },
    },
    stream: environmentStream(context.tenant, project, environment),
    hot: deps.hotFolds,
    context,
    ownOnly: true,
    command,
  });
}

/** The same for a command that needs nothing besides what it says. */
export function commandIn<C extends InEnvironment>(
  deps: FlagDeps,
  context: CommandContext,
  input: C,
  decide: (command: C, environment: EnvironmentState) => Decision<EnvironmentEvent>,
  exempt = false,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment } = input;
  return changeEnvironment<C>(deps, {
    ...{ context, project, environment, exempt },
    command: () => input,
    decide: (command, state) => decide(command, state),
  });
}

function approvalNeeded(approvalsRequired: number): ReturnType<typeof reject> {
  return reject({
    code: 'approval_required',
    detail: `Changes of this environment need ${approvalsRequired} approval${approvalsRequired === 1 ? '' : 's'} of others.`,
    extra: { approvalsRequired },
  });
}

/** The flag, or why it cannot be changed. */
export function flagIn(
  { environment, flags }: EnvironmentState,
  key: string,
): EnvironmentFlag | ReturnType<typeof reject> {
  if (environment === null) return noSuchEnvironment;
  return flags.get(key) ?? noSuchFlag;
}
