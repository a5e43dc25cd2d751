/** What all commands at a project share. */
import type { ProjectEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import { type CommandContext, type ExecuteDeps, execute, type Outcome } from '../execute.ts';
import type { HotFolds } from '../hot-folds.ts';
import { projectStream } from '../streams.ts';
import { evolveProject, noProject, type ProjectFlag, type ProjectState } from './project-state.ts';

export const noSuchProject = reject({ code: 'not_found', detail: 'There is no such project.' });
export const noSuchFlag = reject({ code: 'not_found', detail: 'There is no such flag.' });

export interface FlagDeps extends ExecuteDeps {
  readonly hotFolds: HotFolds;
}

export interface ProjectChange<C> {
  /** At the project's stream. */
  readonly context: CommandContext;
  readonly project: string;
  /** Made anew for each attempt. */
  command(): C;
  readonly creates?: boolean;
  decide(command: C, project: ProjectState): Decision<ProjectEvent>;
}

/** Folds the project, decides, appends. */
export function changeProject<C>(deps: FlagDeps, change: ProjectChange<C>): Promise<Outcome<ProjectState>> {
  const { context, project, creates, command, decide } = change;
  return execute<ProjectState, C, ProjectEvent>(deps, {
    decider: { initial: noProject, evolve: evolveProject, decide },
    stream: projectStream(context.tenant, project),
    hot: deps.hotFolds,
    context,
    ownOnly: true,
    ...(creates === undefined ? {} : { creates }),
    command,
  });
}

/** Refuses where the client saw another revision of the thing (If-Match). */
export function staleRevision(
  ifRevision: number | undefined,
  revision: number,
): ReturnType<typeof reject> | null {
  if (ifRevision === undefined || ifRevision === revision) return null;
  return reject({
    code: 'precondition_failed',
    detail: `If-Match names revision ${ifRevision}; it is at ${revision}.`,
  });
}

export type FlagOfProject = ProjectFlag | ReturnType<typeof reject>;

/** The flag, or why it cannot be changed. */
export function flagOf(project: ProjectState, key: string): FlagOfProject {
  if (project.project === null) return noSuchProject;
  return project.flags.get(key) ?? noSuchFlag;
}
