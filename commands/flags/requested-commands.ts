/** The commands of a change request, decided one after another as they stand: all of them, or none. */
import type { ChangeCause, EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Json } from '../../schemas/json.ts';
import { type Decision, reject } from '../decider.ts';
import { decideArchiveFlag } from './archive-flag.ts';
import { decideChangeFlag, decideParts, invalid } from './change-flag.ts';
import type { CommandBases, RecordedCommand } from './change-request.ts';
import { decideChangeSegment } from './change-segment.ts';
import { InvalidEdit, partsOfEdits } from './edit-flag.ts';
import { flagIn } from './environment-command.ts';
import { type EnvironmentFlag, type EnvironmentState, evolveEnvironment } from './environment-state.ts';
import { basesOf, canonical, difference } from './flag-parts.ts';

/** What a rollback or copy leads to, by its place among the commands. */
export type Targets = ReadonlyMap<number, EnvironmentFlag | undefined>;

export interface DecidedCommands {
  readonly events: readonly EnvironmentEvent[];
  /** For each command: the parts that it is about, as they are before it. */
  readonly bases: readonly CommandBases[];
}

type Refusal = ReturnType<typeof reject>;

export function decideCommands(
  environment: EnvironmentState,
  commands: readonly RecordedCommand[],
  targets: Targets,
  cause: ChangeCause,
  reason: string | null,
): DecidedCommands | Refusal {
  const events: EnvironmentEvent[] = [];
  const bases: CommandBases[] = [];
  let state = environment;
  for (const [i, command] of commands.entries()) {
    const target = targets.get(i);
    const rests = restsOn(state, command, target);
    if ('reject' in rests) return at(i, rests);
    bases.push(rests.on);
    const decision = decideOne(state, command, target, cause, reason);
    if ('reject' in decision) return at(i, decision);
    for (const event of decision.accept) {
      events.push(event);
      const fact = { ...event, version: state.version + 1 };
      state = evolveEnvironment(state, fact as Parameters<typeof evolveEnvironment>[1]);
    }
  }
  return { events, bases };
}

/** What each command rests on and is no longer so: path of the part, as it was, as it is. */
export function changedBases(
  written: readonly CommandBases[],
  found: readonly CommandBases[],
): readonly { readonly part: string; readonly before: Json; readonly after: Json }[] {
  return written.flatMap((base, i) =>
    Object.keys(base)
      .map((part) => ({
        part: `commands.${i}.${part}`,
        before: base[part] ?? null,
        after: found[i]?.[part] ?? null,
      }))
      .filter(({ before, after }) => canonical(before) !== canonical(after)),
  );
}

function decideOne(
  state: EnvironmentState,
  command: RecordedCommand,
  target: EnvironmentFlag | undefined,
  cause: ChangeCause,
  reason: string | null,
): Decision<EnvironmentEvent> {
  switch (command.do) {
    case 'change':
      return decideChangeFlag({ flag: command.flag, edits: command.edits, reason, cause }, state);
    case 'rollback':
    case 'copy': {
      const flag = flagIn(state, command.flag);
      if ('reject' in flag) return flag;
      return decideParts(state, flag, target!, { ...cause, revision: command.revision }, reason);
    }
    case 'archive':
    case 'restore':
      return decideArchiveFlag({ flag: command.flag, archived: command.do === 'archive', reason }, state);
    case 'put_segment':
      return decideChangeSegment({ segment: command.segment, when: command.when, reason }, state);
    case 'remove_segment':
      return decideChangeSegment({ segment: command.segment, when: null, reason }, state);
  }
}

function restsOn(
  state: EnvironmentState,
  command: RecordedCommand,
  target: EnvironmentFlag | undefined,
): { readonly on: CommandBases } | Refusal {
  if (command.do === 'put_segment' || command.do === 'remove_segment') {
    return { on: { when: (state.segments.get(command.segment) ?? null) as Json } };
  }
  const flag = flagIn(state, command.flag);
  if ('reject' in flag) return flag;
  switch (command.do) {
    case 'archive':
    case 'restore':
      return { on: { archived: flag.archived } };
    case 'change':
      try {
        return { on: basesOf(flag, partsOfEdits(flag, command.edits)) as CommandBases };
      } catch (error) {
        if (!(error instanceof InvalidEdit)) throw error;
        return invalid(error.path, error.message);
      }
    case 'rollback':
    case 'copy': {
      if (!target) {
        return command.do === 'rollback'
          ? invalid('revision', `the flag has revisions 1 to ${flag.revision}`)
          : invalid('from', `there is no such flag in ${command.from}`);
      }
      const parts = difference(flag, target).map(({ part }) => part);
      return { on: basesOf(flag, parts) as CommandBases };
    }
  }
}

/** Fields of one command as fields of the request. */
function at(i: number, { reject: rejection }: Refusal): Refusal {
  const errors = rejection.errors?.map(({ field, message }) => ({
    field: `commands.${i}.${field}`,
    message,
  }));
  const detail = `Command ${i}: ${rejection.detail}`;
  return reject({ ...rejection, detail, ...(errors && { errors }) });
}
