/**
 * The flags of an environment as a flag set for flagd: https://flagd.dev/reference/flag-definitions/
 * In it are those that every flagd, in whatever language, evaluates as this process does; the others are
 * named in the set's metadata, and served over OFREP all the same.
 */
import type { When } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';
import type { FlagMetadata } from './engine/resolution.ts';
import { parseVersion } from './engine/sem-ver.ts';
import { type FlagInEnvironment, type FlagsAround, flagProgram } from './flag-program.ts';
import { flagdFlag } from './flagd-flag.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { compileSegments } from './segments.ts';

/** Under these the set's metadata tell how many flags are left out, and which, in order, joined by commas. */
export const LEFT_OUT_COUNT = 'leftOutCount';
export const LEFT_OUT = 'leftOut';
/** A flagd may add the metadata of the set to every answer; past this the list ends with "…". */
export const MAX_LEFT_OUT_CHARACTERS = 4_000;

/** Of the rules, each flag's with those of its prerequisites written into it: what does not fit is left out. */
const MAX_EXPORT_CHARACTERS = 20_000_000;

export interface LeftOut {
  readonly flag: string;
  /** What flagd does not know, or what is wrong with the flag. */
  readonly reasons: readonly string[];
}

export interface FlagdExport {
  /** `{flags, $evaluators, metadata}` */
  readonly flagSet: JsonObject;
  readonly leftOut: readonly LeftOut[];
}

export interface FlagdExportOptions {
  readonly flags: ReadonlyMap<string, FlagInEnvironment>;
  readonly segments: ReadonlyMap<string, When>;
  /** Of the set, such as `flagSetId` and `version`. */
  readonly metadata?: FlagMetadata;
}

/** A flag that cannot be evaluated is left out. Throws `InvalidFlag` for segments that name none or go in a circle. */
export function exportFlagd({ flags, segments, metadata = {} }: FlagdExportOptions): FlagdExport {
  const compiled = compileSegments(segments);
  const around: FlagsAround = { flag: (key) => flags.get(key), segments: compiled };
  const room = { charactersLeft: MAX_EXPORT_CHARACTERS };
  const exported: [string, JsonObject][] = [];
  const leftOut: LeftOut[] = [];
  for (const flag of flags.values()) {
    const written = writtenFor(flag, around, room);
    if (Array.isArray(written)) leftOut.push({ flag: flag.key, reasons: written });
    else exported.push([flag.key, written as JsonObject]);
  }
  const used = new Set<string>();
  for (const [, { targeting }] of exported) if (targeting !== undefined) addReferences(targeting, used);
  const evaluators = Object.entries(compiled.evaluators).filter(([name]) => used.has(name));
  return {
    leftOut,
    flagSet: {
      flags: Object.fromEntries(exported),
      // What a flag that is left out refers to may not be evaluated alike either.
      $evaluators: Object.fromEntries(
        evaluators.map(([name, logic]) => [name, asRule(plainVersions(logic))]),
      ),
      metadata: { ...metadata, ...leftOutMetadata(leftOut) } as JsonObject,
    },
  };
}

/** The flag for flagd, or why there is none. */
function writtenFor(
  flag: FlagInEnvironment,
  around: FlagsAround,
  room: { charactersLeft: number },
): JsonObject | readonly string[] {
  try {
    const program = flagProgram(flag, around);
    if (program.characters > room.charactersLeft) return ['no room is left in the flag set'];
    room.charactersLeft -= program.characters;
    const unsafe = Object.values(flag.variants).some(isUnsafe);
    const reasons = [...program.unportable, ...(unsafe ? ['a number beyond 2^53 - 1'] : [])];
    if (reasons.length > 0) return reasons;
    const { targeting, ...written } = flagdFlag(program);
    return targeting === undefined ? written : { ...written, targeting: asRule(plainVersions(targeting)) };
  } catch (error) {
    if (!(error instanceof InvalidFlag)) throw error;
    return [error.message];
  }
}

/** Versions in full: flagd's JSON Schema takes no others, though its engines do. What is no version compares with none. */
function plainVersions(logic: Json): Json {
  if (Array.isArray(logic)) return logic.map(plainVersions);
  if (!isJsonObject(logic)) return logic;
  const { sem_ver: args } = logic;
  if (Array.isArray(args) && typeof args[2] === 'string') {
    const version = parseVersion(args[2]);
    if (!version) return null;
    const { numbers, prerelease } = version;
    const full = numbers.join('.') + (prerelease.length > 0 ? `-${prerelease.join('.')}` : '');
    return { sem_ver: [plainVersions(args[0]!), args[1]!, full] };
  }
  return Object.fromEntries(Object.entries(logic).map(([name, value]) => [name, plainVersions(value)]));
}

/** Not every language holds it as it is, and flagd's JSON Schema refuses it. */
function isUnsafe(value: Json): boolean {
  return typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER;
}

/** By flagd's JSON Schema a rule is an object, and not the answer itself. */
function asRule(logic: Json): Json {
  return isJsonObject(logic) ? logic : { if: [true, logic, logic] };
}

function addReferences(logic: Json, used: Set<string>): void {
  if (Array.isArray(logic)) for (const one of logic) addReferences(one, used);
  if (!isJsonObject(logic)) return;
  for (const [name, value] of Object.entries(logic)) {
    if (name === '$ref' && typeof value === 'string') used.add(value);
    else addReferences(value, used);
  }
}

function leftOutMetadata(leftOut: readonly LeftOut[]): FlagMetadata {
  if (leftOut.length === 0) return {};
  let list = '';
  for (const { flag } of leftOut) {
    const longer = list === '' ? flag : `${list},${flag}`;
    if (longer.length > MAX_LEFT_OUT_CHARACTERS) {
      list += ',…';
      break;
    }
    list = longer;
  }
  return { [LEFT_OUT_COUNT]: leftOut.length, [LEFT_OUT]: list };
}
