/** An environment as commands see it: everything that decides its answers, without what people wrote. */
import { Map as SharedMap } from 'immutable';
import type { EitherEnvironmentEvent } from '../../schemas/events/flags.ts';
import type { When } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import type { Fact } from '../decider.ts';
import { type ChangeRequest, evolveRequest } from './change-request.ts';
import type { EditableFlag } from './flag-parts.ts';
import { settingsOf, withParts } from './recorded-parts.ts';

export interface EnvironmentFlag extends EditableFlag {
  readonly key: string;
  readonly seed: string;
  readonly bucketing: 'flagd-v2';
  /** Whoever still asks uses the default in the code. */
  readonly archived: boolean;
  /** The number of its own events in this environment. */
  readonly revision: number;
}

export interface EnvironmentState {
  readonly version: number;
  readonly project: string;
  /** Null: there is no such environment. */
  readonly environment: string | null;
  readonly approvalsRequired: number;
  /** By key. */
  readonly flags: SharedMap<string, EnvironmentFlag>;
  /** By key. */
  readonly segments: SharedMap<string, When>;
  /** Open ones, by id. */
  readonly requests: SharedMap<string, ChangeRequest>;
}

export const noEnvironment: EnvironmentState = {
  version: 0,
  project: '',
  environment: null,
  approvalsRequired: 0,
  flags: SharedMap(),
  segments: SharedMap(),
  requests: SharedMap(),
};

export function evolveEnvironment(
  state: EnvironmentState,
  event: Fact<EitherEnvironmentEvent>,
): EnvironmentState {
  const next = { ...state, version: event.version };
  switch (event.type) {
    case 'environment.created':
      return { ...next, ...event.data };
    case 'environment.approvals-changed':
      return { ...next, approvalsRequired: event.data.approvalsRequired };
    case 'flag.added':
    case 'flag.changed':
    case 'flag.killed':
    case 'flag.archived':
    case 'flag.restored': {
      const flag = evolveFlag(state.flags.get(event.data.flag), event);
      return flag ? { ...next, flags: state.flags.set(flag.key, flag) } : next;
    }
    case 'segment.changed': {
      const { segment, when } = event.data;
      if (when === null) return { ...next, segments: state.segments.delete(segment) };
      return { ...next, segments: state.segments.set(segment, when as unknown as When) };
    }
    case 'change-request.opened':
    case 'change-request.edited':
    case 'change-request.approved':
    case 'change-request.closed':
    case 'change-request.applied': {
      const { request: id } = event.data;
      const request = evolveRequest(state.requests.get(id), event);
      return { ...next, requests: request ? state.requests.set(id, request) : state.requests.delete(id) };
    }
    default:
      return next;
  }
}

export type FlagFact = Extract<EitherEnvironmentEvent, { readonly type: `flag.${string}` }>;

/** One flag alone, from its own events in order; undefined before it was added. */
export function evolveFlag(
  flag: EnvironmentFlag | undefined,
  event: Pick<FlagFact, 'type' | 'data'>,
): EnvironmentFlag | undefined {
  const fact = event as FlagFact;
  if (fact.type === 'flag.added') {
    const { flag: key, settings, variants, jsonSchema, ...rest } = fact.data;
    return {
      ...rest,
      key,
      variants: variants as EditableFlag['variants'],
      jsonSchema: jsonSchema as JsonObject | null,
      settings: settingsOf(settings),
      archived: false,
      revision: 1,
    };
  }
  if (!flag) return undefined;
  const next = { ...flag, revision: flag.revision + 1 };
  switch (fact.type) {
    case 'flag.changed':
      return withParts(next, fact.data.parts);
    case 'flag.killed':
      return { ...next, settings: { ...flag.settings, mode: 'killed' } };
    case 'flag.archived':
      return { ...next, archived: true };
    case 'flag.restored':
      return { ...next, archived: false };
  }
}
