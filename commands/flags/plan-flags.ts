/** What is to be done, and in which order, so that a project's flags are as a flags file says. */
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { type CreateFlag, createFlagSchema, type UpdateFlag } from '../../schemas/commands/projects.ts';
import type { When } from '../../schemas/flag-values.ts';
import { type FlagOfFile, type FlagsFile, own } from '../../schemas/flags-file.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { flagAtBeginning } from './begin-environment.ts';
import { editsBetween } from './edits-between.ts';
import { canonical, difference, type EditableFlag, type PartChange } from './flag-parts.ts';
import { usualOff } from './flags-file-short-forms.ts';

export type PlanStep =
  | {
      readonly step: 'put-segment';
      readonly segment: string;
      readonly before: When | null;
      readonly when: When;
    }
  | {
      readonly step: 'edit-flag';
      readonly flag: string;
      /** One command each. */
      readonly commands: readonly (readonly FlagEdit[])[];
      readonly changes: readonly PartChange[];
    }
  | { readonly step: 'archive-flag'; readonly flag: string }
  | { readonly step: 'remove-segment'; readonly segment: string; readonly before: When };

export interface FlagsPlan {
  readonly project: string;
  readonly creations: readonly CreateFlag[];
  readonly details: readonly { readonly flag: string; readonly changes: UpdateFlag }[];
  /** In the order in which the file and the project name them. */
  readonly environments: readonly { readonly environment: string; readonly steps: readonly PlanStep[] }[];
  /** What the file says, or leaves out, and the plan does nothing about. */
  readonly left: readonly { readonly what: string; readonly why: string }[];
}

export interface PlanOptions {
  /** That the project has; absent: all that are named. */
  readonly environments?: readonly string[];
  /** Whether flags are archived and segments removed that the file does not name. */
  readonly remove?: boolean;
}

export function planFlags(
  current: FlagsFile,
  wanted: FlagsFile,
  { environments: known, remove = false }: PlanOptions = {},
): FlagsPlan {
  const left: { what: string; why: string }[] = [];
  const named = new Set([...environmentsIn(wanted), ...environmentsIn(current)]);
  const environments = [...named].filter((environment) => {
    if (!known || known.includes(environment)) return true;
    left.push({
      what: `environment ${environment}`,
      why: 'the project has no such environment: make it first',
    });
    return false;
  });
  const retyped = Object.keys(wanted.flags).filter((key) => {
    const was = own(current.flags, key);
    if (!was || was.type === wanted.flags[key]!.type) return false;
    left.push({ what: `flag ${key}`, why: `its type stays ${was.type}: make a flag of another key` });
    return true;
  });
  const flags = inOrder(wanted, environments).filter((key) => !retyped.includes(key));
  const gone = Object.keys(current.flags).filter((key) => !Object.hasOwn(wanted.flags, key));
  if (!remove) for (const key of gone) left.push({ what: `flag ${key}`, why: 'the file does not name it' });
  const created = flags.filter((key) => !Object.hasOwn(current.flags, key));
  return {
    project: wanted.project,
    creations: created.map((key) => creationOf(key, wanted.flags[key]!)),
    details: flags.flatMap((flag) => {
      const was = own(current.flags, flag);
      const changes = was ? detailsBetween(was, wanted.flags[flag]!) : {};
      return Object.keys(changes).length > 0 ? [{ flag, changes }] : [];
    }),
    environments: environments.map((environment) => {
      const segments = segmentSteps(current, wanted, environment, remove, left);
      const edited = flagSteps(current, wanted, environment, flags, left);
      const archived = remove ? archivals(current, environment, gone) : [];
      return { environment, steps: [...segments.put, ...edited, ...archived, ...segments.removed] };
    }),
    left,
  };
}

export function isEmptyPlan({ creations, details, environments }: FlagsPlan): boolean {
  return creations.length + details.length + environments.flatMap(({ steps }) => steps).length === 0;
}

export function environmentsIn({ segments, flags }: FlagsFile): ReadonlySet<string> {
  return new Set([
    ...Object.keys(segments),
    ...Object.values(flags).flatMap(({ environments }) => Object.keys(environments)),
  ]);
}

/** What a flag requires, in whichever environment, before itself. */
function inOrder({ flags }: FlagsFile, environments: readonly string[]): readonly string[] {
  return innerFirst(Object.keys(flags), (key) =>
    environments.flatMap((environment) =>
      (own(flags[key]!.environments, environment)?.prerequisites ?? []).map(({ flag }) => flag),
    ),
  );
}

/** Depth first, without recursion; what goes in a circle comes in some order. */
function innerFirst(keys: readonly string[], needs: (key: string) => readonly string[]): readonly string[] {
  const all = new Set(keys);
  const [begun, done] = [new Set<string>(), new Set<string>()];
  for (const start of keys) {
    const stack = [start];
    while (stack.length > 0) {
      const key = stack.at(-1)!;
      const next = begun.has(key) ? [] : needs(key).filter((one) => all.has(one) && !begun.has(one));
      begun.add(key);
      if (next.length > 0) stack.push(...next);
      else done.add(stack.pop()!);
    }
  }
  return [...done];
}

function creationOf(flag: string, wanted: FlagOfFile): CreateFlag {
  const { kind, owner, tags, expiresAt, permanent } = wanted;
  const details = { kind, ownerTeam: owner.team, ownerPerson: owner.person, tags, expiresAt, permanent };
  return createFlagSchema.parse({ flag, ...details, ...beginningOf(wanted) });
}

/** What the flag is made with; the edits of each environment come after. */
function beginningOf({ type, variants, jsonSchema, clientVisible, environments }: FlagOfFile) {
  const names = Object.keys(variants);
  const [settings] = Object.values(environments);
  const offVariant = settings?.offVariant ?? usualOff(variants as JsonObject) ?? names[0]!;
  const onVariant = names.find((name) => name !== offVariant) ?? offVariant;
  return {
    ...{ type, clientVisible, offVariant, onVariant },
    variants: variants as EditableFlag['variants'],
    jsonSchema: jsonSchema as JsonObject | null,
  };
}

function detailsBetween(was: FlagOfFile, is: FlagOfFile): UpdateFlag {
  const details = ({ kind, owner, tags, expiresAt, permanent }: FlagOfFile) => ({
    ...{ kind, ownerTeam: owner.team, ownerPerson: owner.person, tags, expiresAt, permanent },
  });
  const before = { ...details(was), expiresAt: momentOf(was) };
  return Object.fromEntries(
    Object.entries(details(is)).filter(([name, value]) => {
      const other = name === 'expiresAt' ? momentOf(is) : value;
      return canonical(other as Json) !== canonical(before[name as 'kind'] as Json);
    }),
  );
}

/** The same moment can be written in several ways. */
const momentOf = ({ expiresAt }: FlagOfFile) => (expiresAt === null ? null : Date.parse(expiresAt));

function segmentSteps(
  current: FlagsFile,
  wanted: FlagsFile,
  environment: string,
  remove: boolean,
  left: { what: string; why: string }[],
): { put: readonly PlanStep[]; removed: readonly PlanStep[] } {
  const [was, is] = [own(current.segments, environment) ?? {}, own(wanted.segments, environment) ?? {}];
  const put = innerFirst(Object.keys(is), (key) => segmentsIn(is[key]!)).flatMap((segment): PlanStep[] => {
    const [before, when] = [own(was, segment) ?? null, is[segment]!];
    if (canonical(before as Json) === canonical(when as Json)) return [];
    return [{ step: 'put-segment', segment, before, when }];
  });
  const gone = Object.keys(was).filter((segment) => !Object.hasOwn(is, segment));
  if (!remove) {
    for (const segment of gone) {
      left.push({ what: `segment ${segment} of ${environment}`, why: 'the file does not name it' });
    }
    return { put, removed: [] };
  }
  const outerFirst = innerFirst(gone, (key) => segmentsIn(was[key]!)).toReversed();
  return {
    put,
    removed: outerFirst.map((segment) => ({ step: 'remove-segment', segment, before: was[segment]! })),
  };
}

export function segmentsIn(when: When): readonly string[] {
  if ('segment' in when) return [when.segment];
  if ('not' in when) return segmentsIn(when.not);
  const several = 'all' in when ? when.all : 'any' in when ? when.any : [];
  return several.flatMap(segmentsIn);
}

function flagSteps(
  current: FlagsFile,
  wanted: FlagsFile,
  environment: string,
  flags: readonly string[],
  left: { what: string; why: string }[],
): readonly PlanStep[] {
  const required = new Set(
    Object.values(current.flags).flatMap(({ environments }) =>
      (own(environments, environment)?.prerequisites ?? []).map(({ flag }) => flag),
    ),
  );
  const afterwards: PlanStep[] = [];
  const steps = flags.flatMap((flag): PlanStep[] => {
    const to = editableOf(wanted.flags[flag]!, environment);
    const was = own(current.flags, flag);
    const from = was ? editableOf(was, environment) : flagAtBeginning(beginningOf(wanted.flags[flag]!));
    if (!to || !from) {
      if (to)
        left.push({
          what: `flag ${flag} in ${environment}`,
          why: 'the environment has no such flag yet, or it is archived there',
        });
      return [];
    }
    const goal = withMode(from, to, (why) => left.push({ what: `flag ${flag} in ${environment}`, why }));
    const { commands, afterwards: last } = editsBetween(from, goal, { keepVariants: required.has(flag) });
    if (last) afterwards.push({ step: 'edit-flag', flag, commands: [last], changes: [] });
    return commands.length > 0
      ? [{ step: 'edit-flag', flag, commands, changes: difference(from, goal) }]
      : [];
  });
  return [...steps, ...afterwards];
}

/** A file neither kills a flag nor takes a kill back: that is done, and accounted for, by somebody. */
function withMode(from: EditableFlag, to: EditableFlag, leave: (why: string) => void): EditableFlag {
  const [was, is] = [from.settings.mode, to.settings.mode];
  if (was === is || (was !== 'killed' && is !== 'killed')) return to;
  leave(
    was === 'killed'
      ? 'it was killed, and stays so until somebody switches it on'
      : 'a file does not kill a flag',
  );
  return { ...to, settings: { ...to.settings, mode: was } };
}

function editableOf(flag: FlagOfFile, environment: string): EditableFlag | null {
  const { type, variants, jsonSchema, clientVisible, environments } = flag;
  const settings = own(environments, environment);
  if (!settings) return null;
  return {
    type,
    variants: variants as EditableFlag['variants'],
    jsonSchema: jsonSchema as JsonObject | null,
    clientVisible,
    settings,
  };
}

/** Those that require others before those. */
function archivals({ flags }: FlagsFile, environment: string, gone: readonly string[]): readonly PlanStep[] {
  const there = gone.filter((key) => own(flags[key]!.environments, environment));
  const order = innerFirst(there, (key) =>
    (own(flags[key]!.environments, environment)?.prerequisites ?? []).map(({ flag }) => flag),
  );
  return order.toReversed().map((flag) => ({ step: 'archive-flag', flag }));
}
