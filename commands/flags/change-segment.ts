/** Makes, changes or removes a segment of an environment. */
import { isDeepStrictEqual } from 'node:util';
import { MAX_SEGMENTS_OF_ENVIRONMENT } from '../../schemas/commands/flags.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { invalid } from './change-flag.ts';
import { type CompileBudget, faultOfFlags } from './check-environment.ts';
import { commandIn, type InEnvironment, noSuchEnvironment } from './environment-command.ts';
import type { EnvironmentState } from './environment-state.ts';
import type { FlagDeps } from './project-command.ts';
import { flagsReached } from './segment-reach.ts';

interface Command {
  readonly segment: string;
  /** Null: remove it. */
  readonly when: When | null;
  readonly reason: string | null;
}

export function decideChangeSegment(
  command: Command,
  state: EnvironmentState,
  budget?: CompileBudget,
): Decision<EnvironmentEvent> {
  const { segment, when, reason } = command;
  if (state.environment === null) return noSuchEnvironment;
  const before = state.segments.get(segment);
  if (before === undefined) {
    if (when === null) return reject({ code: 'not_found', detail: 'There is no such segment.' });
    if (state.segments.size >= MAX_SEGMENTS_OF_ENVIRONMENT) {
      const detail = `An environment has at most ${MAX_SEGMENTS_OF_ENVIRONMENT} segments.`;
      return reject({ code: 'conflict', detail });
    }
  }
  if (isDeepStrictEqual(before, when)) return { accept: [] };
  const segments = when === null ? state.segments.delete(segment) : state.segments.set(segment, when);
  const after = { ...state, segments };
  // A removed one that is still named shows here.
  const fault = faultOfFlags(after, flagsReached(after, [segment]), budget);
  if (fault !== null) return invalid(when === null ? 'segment' : 'when', fault);
  return { accept: [{ type: 'segment.changed', data: { segment, when: when as Json as never, reason } }] };
}

/** `context`: at the environment's stream. */
export function changeSegment(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  return commandIn(deps, context, input, decideChangeSegment);
}
