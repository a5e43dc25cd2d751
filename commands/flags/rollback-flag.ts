/** Makes a flag again what it was at a revision, as a new revision. */

import type { RollbackFlag } from '../../schemas/commands/projects.ts';
import type { DecodedEvent } from '../../schemas/envelope.ts';
import type { EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Decision } from '../decider.ts';
import { decodeStream, ownEvents, publicDecoder } from '../decode-stream.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { environmentStream } from '../streams.ts';
import { decideParts, invalid } from './change-flag.ts';
import { changeEnvironment, flagIn, type InEnvironment } from './environment-command.ts';
import {
  type EnvironmentFlag,
  type EnvironmentState,
  evolveFlag,
  type FlagFact,
} from './environment-state.ts';
import { type FlagDeps, staleRevision } from './project-command.ts';

interface Command extends RollbackFlag {
  readonly flag: string;
  readonly ifRevision?: number | undefined;
}

/** @param target the flag at the revision; undefined: it has not been there */
export function decideRollback(
  command: Command & { readonly target: EnvironmentFlag | undefined },
  environment: EnvironmentState,
): Decision<EnvironmentEvent> {
  const { target, revision, reason, ifRevision } = command;
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  const stale = staleRevision(ifRevision, flag.revision);
  if (stale) return stale;
  if (!target) return invalid('revision', `the flag has revisions 1 to ${flag.revision}`);
  const cause = { kind: 'rollback', id: null, revision, environment: null };
  return decideParts(environment, flag, target, cause, reason);
}

/** The flag as its first `revision` events made it, all of them unless told; undefined: it has had fewer. */
export function flagAtRevision(
  events: readonly Pick<DecodedEvent, 'type' | 'data'>[],
  key: string,
  revision?: number,
): EnvironmentFlag | undefined {
  let flag: EnvironmentFlag | undefined;
  for (const event of events) {
    if (!event.type.startsWith('flag.') || (event.data as { flag?: unknown }).flag !== key) continue;
    flag = evolveFlag(flag, event as FlagFact);
    if (flag?.revision === revision) return flag;
  }
  return revision === undefined ? flag : undefined;
}

/** `context`: at the environment's stream. */
export function rollbackFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  const { project, environment, ...command } = input;
  return changeEnvironment(deps, {
    context,
    project,
    environment,
    async command() {
      const recorded = await deps.log.readStream(environmentStream(context.tenant, project, environment));
      // Nothing that decides an answer is personal: reasons stay closed.
      const events = await decodeStream(publicDecoder(deps.codec), ownEvents(recorded, context.tenant));
      return { ...command, target: flagAtRevision(events, command.flag, command.revision) };
    },
    decide: decideRollback,
  });
}
