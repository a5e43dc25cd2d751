/** A project's flags as they are, read over HTTP: as a flags file, with what commands are held against. */
import type { FlagOfFile, FlagsFile } from '../../schemas/flags-file.ts';
import type { Json } from '../../schemas/json.ts';
import type { EnvironmentFlagView } from '../../schemas/views/flags.ts';
import { progressLine } from '../output.ts';
import type { FlagsApi, ListedFlag, ProjectWithEnvironments } from './flags-api.ts';

/** So many are read without a word on standard error. */
const MAX_QUIET_FLAGS = 1_000;

type OfEnvironment = ReadonlyMap<string, EnvironmentFlagView>;

export interface CurrentFlags {
  readonly project: ProjectWithEnvironments;
  /** By key, oldest first. */
  readonly flags: ReadonlyMap<string, ListedFlag>;
  /** By environment, by key. */
  readonly environments: ReadonlyMap<string, OfEnvironment>;
  /** Those in which a flag has other variants, JSON Schema or visibility than in the first that has it. */
  readonly otherwise: ReadonlySet<string>;
  /**
   * A file has those once for all environments: here those of the first that has the flag. With `only`, what is
   * so in that environment, and nothing of any other.
   */
  fileOf(only: string | null): FlagsFile;
}

/** Page by page: every flag in every environment, with the segments. */
export async function currentFlags(api: FlagsApi, key: string): Promise<CurrentFlags> {
  const project = await api.getProject(key);
  const progress = progressLine('flags read');
  const listed: [string, ListedFlag][] = [];
  for await (const flag of api.listFlags({ project: key })) listed.push([flag.flag, flag]);
  const flags = new Map(listed.toReversed());
  const environments = new Map<string, OfEnvironment>();
  const segments: FlagsFile['segments'] = {};
  const total = flags.size * project.environments.length;
  let read = 0;
  for (const { environment } of project.environments) {
    const at = { project: key, environment };
    const found = new Map<string, EnvironmentFlagView>();
    for await (const flag of api.listEnvironmentFlags(at)) {
      found.set(flag.flag, flag);
      read += 1;
      if (total > MAX_QUIET_FLAGS) progress.update(read, total);
    }
    environments.set(environment, found);
    const named = (await api.listSegments(at)).map(({ segment, when }) => [segment, when]);
    if (named.length > 0) segments[environment] = Object.fromEntries(named);
  }
  progress.end();
  const fileOf = (only: string | null): FlagsFile => ({
    project: key,
    segments,
    flags: Object.fromEntries([...flags].map(([name, flag]) => [name, flagOfFile(flag, environments, only)])),
  });
  return { project, flags, environments, otherwise: otherwiseIn(environments), fileOf };
}

function flagOfFile(
  flag: ListedFlag,
  environments: ReadonlyMap<string, OfEnvironment>,
  only: string | null,
): FlagOfFile {
  const { flag: key, type, kind, ownerTeam, ownerPerson, tags, expiresAt, permanent } = flag;
  const there = [...environments].flatMap(([environment, flags]) => {
    const found = flags.get(key);
    return found && (only === null || only === environment) ? [{ environment, found }] : [];
  });
  const shape = there[0]?.found;
  return {
    ...{ type, kind, owner: { team: ownerTeam, person: ownerPerson }, tags, expiresAt, permanent },
    variants: shape?.variants ?? {},
    jsonSchema: shape?.jsonSchema ?? null,
    clientVisible: shape?.clientVisible ?? false,
    environments: Object.fromEntries(
      there
        .filter(({ found }) => !found.archived)
        .map(({ environment, found }) => [environment, settingsIn(found)]),
    ),
  };
}

function otherwiseIn(environments: ReadonlyMap<string, OfEnvironment>): ReadonlySet<string> {
  const first = new Map<string, string>();
  const otherwise = new Set<string>();
  for (const [environment, flags] of environments) {
    for (const [key, flag] of flags) {
      const shape = shapeText(flag);
      if (!first.has(key)) first.set(key, shape);
      else if (first.get(key) !== shape) otherwise.add(environment);
    }
  }
  return otherwise;
}

function settingsIn({ mode, offVariant, prerequisites, targets, rules, fallthrough }: EnvironmentFlagView) {
  return { mode, offVariant, prerequisites, targets, rules, fallthrough };
}

export interface ExportedFlags {
  readonly file: FlagsFile;
  /** What the file cannot say. */
  readonly notes: readonly string[];
}

/** Without flags that are archived wherever they are. Where variants differ by environment the file has all of them. */
export function exportedFlags(current: CurrentFlags): ExportedFlags {
  const notes: string[] = [];
  const whole = current.fileOf(null);
  const flags = Object.entries(whole.flags).flatMap(([key, flag]): [string, FlagOfFile][] => {
    if (Object.keys(flag.environments).length === 0) {
      notes.push(`${key} is in no environment, and left out`);
      return [];
    }
    const shapes = [...current.environments].flatMap(([environment, there]) => {
      const found = there.get(key);
      return found && !found.archived ? [{ environment, found }] : [];
    });
    const variants: Record<string, Json> = {};
    for (const { found } of shapes.toReversed()) Object.assign(variants, found.variants as object);
    const inOrder = Object.assign({}, shapes[0]!.found.variants, variants, shapes[0]!.found.variants);
    const first = shapeText(shapes[0]!.found);
    const others = shapes.filter(({ found }) => shapeText(found) !== first);
    if (others.length > 0) {
      notes.push(
        `${key} has other variants, JSON Schema or visibility in ${others.map(({ environment }) => environment).join(', ')}: the file says those of ${shapes[0]!.environment}`,
      );
    }
    const { jsonSchema, clientVisible } = shapes[0]!.found;
    return [[key, { ...flag, variants: inOrder, jsonSchema, clientVisible }]];
  });
  return { file: { ...whole, flags: Object.fromEntries(flags) }, notes };
}

function shapeText({ variants, jsonSchema, clientVisible }: EnvironmentFlagView): string {
  return JSON.stringify([variants, jsonSchema, clientVisible]);
}
