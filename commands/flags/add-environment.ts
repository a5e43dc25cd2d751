/** Gives a project an environment. Its own stream begins in a second step (`spread.ts`). */
import { type CreateEnvironment, MAX_ENVIRONMENTS_OF_PROJECT } from '../../schemas/commands/projects.ts';
import type { ProjectEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { changeProject, type FlagDeps, noSuchProject } from './project-command.ts';
import type { ProjectState } from './project-state.ts';

export function decideAddEnvironment(
  command: CreateEnvironment,
  { project, environments }: ProjectState,
): Decision<ProjectEvent> {
  if (project === null) return noSuchProject;
  if (environments.has(command.environment)) {
    return reject({ code: 'already_exists', detail: 'The project has an environment of this key.' });
  }
  if (environments.size >= MAX_ENVIRONMENTS_OF_PROJECT) {
    return reject({
      code: 'conflict',
      detail: `A project has at most ${MAX_ENVIRONMENTS_OF_PROJECT} environments.`,
    });
  }
  return { accept: [{ type: 'project.environment-added', data: command }] };
}

/** `context`: at the project's stream. */
export function addEnvironment(
  deps: FlagDeps,
  context: CommandContext,
  input: CreateEnvironment & { readonly project: string },
): Promise<Outcome<ProjectState>> {
  const { project, ...command } = input;
  return changeProject(deps, { context, project, command: () => command, decide: decideAddEnvironment });
}
