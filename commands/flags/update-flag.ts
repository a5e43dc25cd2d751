/** Changes what people know of a flag. Nothing here changes an answer. */
import { isDeepStrictEqual } from 'node:util';
import type { UpdateFlag } from '../../schemas/commands/projects.ts';
import type { ProjectEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { changeProject, type FlagDeps, flagOf, staleRevision } from './project-command.ts';
import type { FlagDetails, ProjectState } from './project-state.ts';

interface Command extends UpdateFlag {
  readonly flag: string;
  readonly ifRevision?: number | undefined;
}

export function decideUpdateFlag(command: Command, project: ProjectState): Decision<ProjectEvent> {
  const { flag, ifRevision, name, description, lifecycle, ...changed } = command;
  const before = flagOf(project, flag);
  if ('reject' in before) return before;
  const stale = staleRevision(ifRevision, before.revision);
  if (stale) return stale;
  const events: ProjectEvent[] = [];
  const is = detailsOf(before);
  const details: FlagDetails = { ...is, ...definedOf(changed) };
  if (details.permanent && details.expiresAt !== null) {
    const message = 'a permanent flag has no end: set it to null, or permanent to false';
    return reject({ code: 'invalid_request', detail: message, errors: [{ field: 'expiresAt', message }] });
  }
  if (!isDeepStrictEqual(details, is)) {
    events.push({
      type: 'project.flag-details-changed',
      data: { flag, ...details, tags: [...details.tags] },
    });
  }
  if (lifecycle !== undefined && lifecycle !== before.lifecycle) {
    events.push({ type: 'project.flag-lifecycle-changed', data: { flag, lifecycle } });
  }
  if (name !== undefined || description !== undefined) {
    if (name === undefined || description === undefined) {
      const field = name === undefined ? 'name' : 'description';
      const message = 'name and description are changed together: send both, null for none';
      return reject({ code: 'invalid_request', detail: message, errors: [{ field, message }] });
    }
    events.push({ type: 'project.flag-described', data: { flag, name, description } });
  }
  return { accept: events };
}

function detailsOf({ kind, ownerTeam, ownerPerson, tags, expiresAt, permanent }: FlagDetails): FlagDetails {
  return { kind, ownerTeam, ownerPerson, tags, expiresAt, permanent };
}

function definedOf(fields: Partial<FlagDetails>): Partial<FlagDetails> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** `context`: at the project's stream. */
export function updateFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & { readonly project: string },
): Promise<Outcome<ProjectState>> {
  const { project, ...command } = input;
  return changeProject(deps, { context, project, command: () => command, decide: decideUpdateFlag });
}
