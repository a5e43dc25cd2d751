/** The commands of a change request, decided one after another as they stand: all of them, or none. */
import type { ChangeCause, EnvironmentEvent } from '../../schemas/events/flags.ts';
import type { Json } from '../../schemas/json.ts';
import { type Decision, reject } from '../decider.ts';
import { decideArchiveFlag } from './archive-flag.ts';
import { decideChangeFlag, decideParts, invalid } from './change-flag.ts';
import type { CommandBases, RecordedCommand } from './change-request.ts';
import { decideChangeSegment } from './change-segment.ts';
import { type CompileBudget, compileBudget } from './check-environment.ts';
import { InvalidEdit, partsOfEdits } from './edit-flag.ts';
import { flagIn } from './environment-command.ts';
import { type EnvironmentFlag, type EnvironmentState, evolveEnvironment } from './environment-state.ts';
import { basesOf, canonical, difference, type PartName, partsOf } from './flag-parts.ts';

/** What a rollback or copy leads to, by its place among the commands. */
export type Targets = ReadonlyMap<number, EnvironmentFlag | undefined>;

export interface DecidedCommands {
  readonly events: readonly EnvironmentEvent[];
  /** For each command: the parts that it is about, as they are before it. */
  readonly bases: readonly CommandBases[];
}

type Refusal = ReturnType<typeof reject>;

/** @param written what each was found to rest on when it was written: refused where that has changed since */
export function decideCommands(
  environment: EnvironmentState,
  commands: readonly RecordedCommand[],
  targets: Targets,
  cause: ChangeCause,
  reason: string | null,
  written?: readonly CommandBases[],
): DecidedCommands | Refusal {
  const events: EnvironmentEvent[] = [];
  const bases: CommandBases[] = [];
  const budget = compileBudget();
  let state = environment;
  for (const [i, command] of commands.entries()) {
    const target = targets.get(i);
    const changes = written ? changedSince(state, command, target, written[i] ?? {}) : [];
    if (changes.length > 0) return changed(i, changes);
    const rests = restsOn(state, command, target);
    if ('reject' in rests) return at(i, rests);
    bases.push(rests.on);
    const decision = decideOne(state, command, target, cause, reason, budget);
    if ('reject' in decision) return at(i, decision);
    for (const event of decision.accept) {
      events.push(event);
      const fact = { ...event, version: state.version + 1 };
      state = evolveEnvironment(state, fact as Parameters<typeof evolveEnvironment>[1]);
    }
  }
  return { events, bases };
}

/**
 * What the command rests on and is no longer so. A rollback or copy is about the whole flag: a part that was
 * what it leads to, and so was not named, would be changed by it now, and nobody approved that.
 */
function changedSince(
  state: EnvironmentState,
  command: RecordedCommand,
  target: EnvironmentFlag | undefined,
  written: CommandBases,
): readonly PartChange[] {
  const now = partsNow(state, command);
  const led = target ? partsOf(target) : new Map<string, Json>();
  const flag = 'flag' in command ? state.flags.get(command.flag) : undefined;
  const differing = flag && target ? difference(flag, target).map(({ part }) => part) : [];
  return [...new Set([...Object.keys(written), ...differing])]
    .map((part) => ({
      part,
      before: (Object.hasOwn(written, part) ? written[part] : led.get(part as PartName)) ?? null,
      after: now.get(part) ?? null,
    }))
    .filter(({ before, after }) => canonical(before) !== canonical(after));
}

interface PartChange {
  readonly part: string;
  readonly before: Json;
  readonly after: Json;
}

function partsNow(state: EnvironmentState, command: RecordedCommand): ReadonlyMap<string, Json> {
  if ('segment' in command) return new Map([['when', (state.segments.get(command.segment) ?? null) as Json]]);
  const flag = state.flags.get(command.flag);
  if (!flag) return new Map();
  const { archived, revision } = flag;
  return new Map<string, Json>([...partsOf(flag), ['archived', archived], ['revision', revision]]);
}

function changed(i: number, changes: readonly PartChange[]): Refusal {
  const conflicts = changes.map((change) => ({ ...change, part: `commands.${i}.${change.part}` }));
  return reject({
    code: 'conflict',
    detail: `What it rests on has changed since: ${conflicts[0]!.part}. Edit the request, and have it approved again.`,
    extra: { conflicts },
  });
}

function decideOne(
  state: EnvironmentState,
  command: RecordedCommand,
  target: EnvironmentFlag | undefined,
  cause: ChangeCause,
  reason: string | null,
  budget: CompileBudget,
): Decision<EnvironmentEvent> {
  switch (command.do) {
    case 'change':
      return decideChangeFlag({ flag: command.flag, edits: command.edits, reason, cause }, state, budget);
    case 'rollback':
    case 'copy': {
      const flag = flagIn(state, command.flag);
      if ('reject' in flag) return flag;
      const environment = command.do === 'copy' ? command.from : null;
      const from = { ...cause, revision: command.revision, environment };
      return decideParts(state, flag, target!, from, reason, budget);
    }
    case 'archive':
    case 'restore':
      return decideArchiveFlag(
        { flag: command.flag, archived: command.do === 'archive', reason },
        state,
        budget,
      );
    case 'put_segment':
      return decideChangeSegment({ segment: command.segment, when: command.when, reason }, state, budget);
    case 'remove_segment':
      return decideChangeSegment({ segment: command.segment, when: null, reason }, state, budget);
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
      return { on: { archived: flag.archived } };
    case 'restore': {
      // All of the flag answers again. Nothing changes while it is archived, so its revision tells the whole.
      const { archived, revision } = flag;
      return { on: { archived, ...(archived && { revision }) } };
    }
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
      if (command.do === 'copy' && target.archived) {
        return reject({ code: 'conflict', detail: `The flag is archived in ${command.from}.` });
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
