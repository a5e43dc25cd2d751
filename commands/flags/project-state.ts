/** A project as commands see it: its environments and flags, without what people wrote. */
import { Map as SharedMap } from 'immutable';
import type { EitherProjectEvent } from '../../schemas/events/flags.ts';
import type { FlagKind, FlagValueType, Lifecycle, Variants } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import type { Fact } from '../decider.ts';

export interface FlagDetails {
  readonly kind: FlagKind;
  readonly ownerTeam: string | null;
  readonly ownerPerson: string | null;
  readonly tags: readonly string[];
  readonly expiresAt: string | null;
  readonly permanent: boolean;
}

/** What a flag begins with in each environment. */
export interface FlagBeginning {
  readonly type: FlagValueType;
  readonly seed: string;
  readonly bucketing: 'flagd-v2';
  readonly variants: Variants;
  readonly jsonSchema: JsonObject | null;
  readonly clientVisible: boolean;
  readonly offVariant: string;
  readonly onVariant: string;
}

export interface ProjectFlag extends FlagDetails {
  readonly flag: string;
  readonly beginning: FlagBeginning;
  readonly lifecycle: Lifecycle;
  /** Of what the project knows of the flag: the number of its own events here. */
  readonly revision: number;
  readonly createdAtMs: number;
}

export interface ProjectState {
  readonly version: number;
  /** Null: there is no such project. */
  readonly project: string | null;
  /** By key: the approvals that each asked for when it was added. */
  readonly environments: SharedMap<string, number>;
  /** By key. */
  readonly flags: SharedMap<string, ProjectFlag>;
}

export const noProject: ProjectState = {
  version: 0,
  project: null,
  environments: SharedMap(),
  flags: SharedMap(),
};

export function evolveProject(state: ProjectState, event: Fact<EitherProjectEvent>): ProjectState {
  const next = { ...state, version: event.version };
  switch (event.type) {
    case 'project.created':
      return { ...next, project: event.data.project };
    case 'project.environment-added': {
      const { environment, approvalsRequired } = event.data;
      return { ...next, environments: state.environments.set(environment, approvalsRequired) };
    }
    case 'project.flag-created':
    case 'project.flag-details-changed':
    case 'project.flag-lifecycle-changed':
    case 'project.flag-described': {
      const flag = evolveProjectFlag(state.flags.get(event.data.flag), event);
      return flag ? { ...next, flags: state.flags.set(flag.flag, flag) } : next;
    }
    default:
      return next;
  }
}

export type ProjectFlagFact = Extract<EitherProjectEvent, { readonly type: `project.flag-${string}` }>;

/** One flag alone, from its own events in order; undefined before it was made. */
export function evolveProjectFlag(
  known: ProjectFlag | undefined,
  fact: Pick<ProjectFlagFact, 'type' | 'data' | 'timeMs'>,
): ProjectFlag | undefined {
  const event = fact as ProjectFlagFact;
  if (event.type === 'project.flag-created') {
    const { flag, name, description, kind, ownerTeam, ownerPerson, tags, expiresAt, permanent, ...rest } =
      event.data;
    return {
      flag,
      ...{ kind, ownerTeam, ownerPerson, tags, expiresAt, permanent },
      beginning: rest as FlagBeginning,
      lifecycle: 'draft',
      revision: 1,
      createdAtMs: event.timeMs,
    };
  }
  if (!known) return undefined;
  const next = { ...known, revision: known.revision + 1 };
  switch (event.type) {
    case 'project.flag-details-changed': {
      const { flag: _, ...details } = event.data;
      return { ...next, ...details };
    }
    case 'project.flag-lifecycle-changed':
      return { ...next, lifecycle: event.data.lifecycle };
    case 'project.flag-described':
      return next;
  }
}
