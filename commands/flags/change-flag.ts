/** Changes how a flag answers in one environment: all edits, or none. */
import type { ChangeFlag } from '../../schemas/commands/flags.ts';
import type { ChangeCause, EnvironmentEvent } from '../../schemas/events/flags.ts';
import { type Decision, reject } from '../decider.ts';
import type { CommandContext, Outcome } from '../execute.ts';
import { type CompileBudget, faultOfFlags, withDependents } from './check-environment.ts';
import { checkVariants, editFlag, InvalidEdit } from './edit-flag.ts';
import { commandIn, flagIn, type InEnvironment } from './environment-command.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { difference, type EditableFlag } from './flag-parts.ts';
import { type FlagDeps, staleRevision } from './project-command.ts';
import { recordedParts } from './recorded-parts.ts';

interface Command extends ChangeFlag {
  readonly flag: string;
  /** `edit` unless told. */
  readonly cause?: ChangeCause;
  readonly ifRevision?: number | undefined;
}

const EDIT: ChangeCause = { kind: 'edit', id: null, revision: null, environment: null };

export function decideChangeFlag(
  command: Command,
  environment: EnvironmentState,
  budget?: CompileBudget,
): Decision<EnvironmentEvent> {
  const { edits, reason, ifRevision, cause = EDIT } = command;
  const flag = flagIn(environment, command.flag);
  if ('reject' in flag) return flag;
  const stale = staleRevision(ifRevision, flag.revision);
  if (stale) return stale;
  try {
    return decideParts(environment, flag, editFlag(flag, edits), cause, reason, budget);
  } catch (error) {
    if (!(error instanceof InvalidEdit)) throw error;
    return invalid(error.path, error.message);
  }
}

/** Records the parts in which the flag as it is wanted differs; what cannot be compiled is refused. */
export function decideParts(
  environment: EnvironmentState,
  flag: EnvironmentFlag,
  wanted: EditableFlag,
  cause: ChangeCause,
  reason: string | null,
  budget?: CompileBudget,
): Decision<EnvironmentEvent> {
  if (flag.archived) return flagIsArchived;
  const changes = difference(flag, wanted);
  if (changes.length === 0) return { accept: [] };
  try {
    checkVariants(wanted);
  } catch (error) {
    if (!(error instanceof InvalidEdit)) throw error;
    return invalid(error.path, error.message);
  }
  // What is wanted may be a flag as it was while it was archived, which nothing would be asked of.
  const flags = environment.flags.set(flag.key, { ...flag, ...wanted, archived: false });
  const fault = faultOfFlags({ ...environment, flags }, withDependents(flags, [flag.key]), budget);
  if (fault !== null) return invalid('edits', fault);
  const parts = recordedParts(changes);
  return { accept: [{ type: 'flag.changed', data: { flag: flag.key, parts, cause, reason } }] };
}

export const flagIsArchived = reject({ code: 'conflict', detail: 'The flag is archived; restore it first.' });

export function invalid(field: string, message: string): ReturnType<typeof reject> {
  return reject({ code: 'invalid_request', detail: message, errors: [{ field, message }] });
}

/** `context`: at the environment's stream. */
export function changeFlag(
  deps: FlagDeps,
  context: CommandContext,
  input: Command & InEnvironment,
): Promise<Outcome<EnvironmentState>> {
  return commandIn(deps, context, input, decideChangeFlag);
}
