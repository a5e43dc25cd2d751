/** All flags of an environment, compiled; and compiled anew where something has changed, and nowhere else. */
import type { When } from '../../schemas/flag-values.ts';
import { flagsAround, withDependents } from './check-environment.ts';
import { type CompiledProgram, compileProgram } from './compile-program.ts';
import { InvalidRule } from './engine/expression.ts';
import { failed } from './engine/resolution.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { type FlagsAround, flagProgram } from './flag-program.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { flagsReached } from './segment-reach.ts';

type Contents = Pick<EnvironmentState, 'flags' | 'segments'>;

export interface CompiledEnvironment extends Contents {
  readonly programs: ReadonlyMap<string, CompiledProgram>;
  /** False: the segments could not be compiled, and so no flag. */
  readonly isWhole: boolean;
}

export interface EnvironmentChanges {
  readonly flags: readonly EnvironmentFlag[];
  /** Null: it is gone. */
  readonly segments: readonly (readonly [string, When | null])[];
}

/** @param before what the changes are of; its programs are kept where no change reaches them */
export function compileEnvironment(
  before: CompiledEnvironment,
  changes: EnvironmentChanges,
): CompiledEnvironment {
  const compiling = compilingEnvironment(before, changes);
  for (;;) {
    const { done, value } = compiling.next();
    if (done) return value;
  }
}

/** The same, flag by flag: a large environment takes seconds, in which others want their turn. */
export function* compilingEnvironment(
  before: CompiledEnvironment,
  changes: EnvironmentChanges,
): Generator<undefined, CompiledEnvironment> {
  const flags = before.flags.withMutations((map) => {
    for (const flag of changes.flags) map.set(flag.key, flag);
  });
  const segments = before.segments.withMutations((map) => {
    for (const [segment, when] of changes.segments) {
      if (when === null) map.delete(segment);
      else map.set(segment, when);
    }
  });
  const contents = { flags, segments };
  const around = surroundingsOf(contents);
  const keys =
    before.programs.size === 0 || typeof around === 'string' || !before.isWhole
      ? flags.keys()
      : new Set([
          ...withDependents(
            flags,
            changes.flags.map(({ key }) => key),
          ),
          ...flagsReached(
            contents,
            changes.segments.map(([segment]) => segment),
          ),
        ]);
  const programs = new Map(before.programs);
  for (const key of keys) {
    programs.set(key, programOf(flags.get(key)!, around));
    yield;
  }
  return { ...contents, programs, isWhole: typeof around !== 'string' };
}

/** A state that cannot be compiled as a whole was never recorded; should one be, it is told flag by flag. */
function surroundingsOf(contents: Contents): FlagsAround | string {
  try {
    return flagsAround(contents);
  } catch (error) {
    if (error instanceof InvalidFlag) return error.message;
    throw error;
  }
}

/** One flag with what it refers to; undefined: there is none. */
export function compileOne(contents: Contents, key: string): CompiledProgram | undefined {
  const flag = contents.flags.get(key);
  return flag && programOf(flag, surroundingsOf(contents));
}

function programOf(flag: EnvironmentFlag, around: FlagsAround | string): CompiledProgram {
  const { key, revision } = flag;
  if (flag.archived) return constant(key, Object.freeze({ reason: 'DISABLED', flagMetadata: { revision } }));
  if (typeof around === 'string') return constant(key, failed('PARSE_ERROR', around, { revision }));
  try {
    return compileProgram(flagProgram(flag, around), around.segments.evaluators, { revision });
  } catch (error) {
    if (!(error instanceof InvalidFlag) && !(error instanceof InvalidRule)) throw error;
    return constant(key, failed('PARSE_ERROR', `Flag '${key}': ${error.message}`, { revision }));
  }
}

function constant(key: string, resolution: ReturnType<CompiledProgram['evaluate']>): CompiledProgram {
  return {
    key,
    readsClock: false,
    operators: 0,
    evaluate: () => resolution,
    explain: () => ({ ...resolution, trace: [], bucket: null }),
  };
}
