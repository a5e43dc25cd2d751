/** Makes a project. Its key is unique in its tenant, because the stream made from it is. */
import type { CreateProject } from '../../schemas/commands/projects.ts';
import type { ProjectEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { changeProject, type FlagDeps, noSuchProject } from './project-command.ts';
import type { ProjectState } from './project-state.ts';

export function decideCreateProject(
  command: CreateProject,
  { project }: ProjectState,
): Decision<ProjectEvent> {
  if (project !== null) return reject({ code: 'already_exists', detail: 'A project has this key.' });
  return { accept: [{ type: 'project.created', data: command }] };
}

/** `context`: at the project's stream. */
export function createProject(
  deps: FlagDeps,
  context: CommandContext,
  input: CreateProject,
): Promise<Outcome<ProjectState>> {
  const { project } = input;
  return changeProject(deps, {
    context,
    project,
    creates: true,
    command: () => input,
    decide: decideCreateProject,
  });
}

/** A name is not told in what commands see: the same one again is another event. */
export function renameProject(
  deps: FlagDeps,
  context: CommandContext,
  input: { readonly project: string; readonly name: string | null },
): Promise<Outcome<ProjectState>> {
  const { project, name } = input;
  return changeProject(deps, {
    context,
    project,
    command: () => ({ name }),
    decide: (data, state): Decision<ProjectEvent> =>
      state.project === null ? noSuchProject : { accept: [{ type: 'project.renamed', data }] },
  });
}
