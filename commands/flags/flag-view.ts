/** Projects and flags as they are answered. */
import type {
  EnvironmentFlagView,
  EnvironmentView,
  FlagInEnvironmentView,
  FlagView,
  ProjectView,
} from '../../schemas/views/flags.ts';
import { flagsAround } from './check-environment.ts';
import type { InEnvironment } from './environment-command.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { flagProgram } from './flag-program.ts';
import { InvalidFlag } from './invalid-flag.ts';
import type { ProjectFlag } from './project-state.ts';

export function projectView(project: string, version: number, createdAtMs: number): ProjectView {
  return { project, version, createdAt: iso(createdAtMs) };
}

export function environmentView(
  { project, environment }: InEnvironment,
  { approvalsRequired, version }: Pick<EnvironmentState, 'approvalsRequired' | 'version'>,
  changedAtMs: number,
): EnvironmentView {
  return { project, environment, approvalsRequired, version, changedAt: iso(changedAtMs) };
}

export function flagView(project: string, flag: ProjectFlag): FlagView {
  return {
    project,
    flag: flag.flag,
    revision: flag.revision,
    type: flag.beginning.type,
    kind: flag.kind,
    lifecycle: flag.lifecycle,
    ownerTeam: flag.ownerTeam,
    ownerPerson: flag.ownerPerson,
    tags: [...flag.tags],
    expiresAt: flag.expiresAt,
    permanent: flag.permanent,
    createdAt: iso(flag.createdAtMs),
  };
}

/** @param state that the flag is in: what flagd would not evaluate alike depends on segments and prerequisites */
export function flagInEnvironmentView(
  at: InEnvironment,
  flag: EnvironmentFlag,
  state: Pick<EnvironmentState, 'flags' | 'segments'>,
): FlagInEnvironmentView {
  return { ...environmentFlagView(at, flag), notInFlagd: flag.archived ? [] : notInFlagd(flag, state) };
}

/** Of a state that was read without an event that is damaged, what the flag refers to may be missing. */
function notInFlagd(flag: EnvironmentFlag, state: Pick<EnvironmentState, 'flags' | 'segments'>): string[] {
  try {
    return [...flagProgram(flag, flagsAround(state)).unportable];
  } catch (error) {
    if (error instanceof InvalidFlag) return [error.message];
    throw error;
  }
}

/** What is known of it without what it refers to. */
export function environmentFlagView(
  { project, environment }: InEnvironment,
  flag: EnvironmentFlag,
): EnvironmentFlagView {
  const { key, revision, type, variants, jsonSchema, clientVisible, archived, seed, bucketing } = flag;
  const view = {
    ...{ project, environment, flag: key, revision, type, variants, jsonSchema, clientVisible, archived },
    ...flag.settings,
    ...{ seed, bucketing },
  };
  return view as EnvironmentFlagView;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
