/** Whether flags and segments of an environment can be compiled together: checked before a change is recorded. */

import { compileProgram } from './compile-program.ts';
import { InvalidRule } from './engine/expression.ts';
import { checkPatterns } from './environment-patterns.ts';
import { checkSize } from './environment-size.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { type FlagInEnvironment, type FlagsAround, flagProgram } from './flag-program.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { compileSegments } from './segments.ts';

/** Of the flags that one request reaches: they are compiled while nobody is answered, 1 µs each. */
export const MAX_OPERATORS_REACHED = 500_000;

/** What is left of it; the commands of one request draw on the same. */
export interface CompileBudget {
  operatorsLeft: number;
}

export function compileBudget(): CompileBudget {
  return { operatorsLeft: MAX_OPERATORS_REACHED };
}

type Shape = Pick<EnvironmentState, 'flags' | 'segments'>;

/** Throws `InvalidFlag` for segments that cannot be. */
export function flagsAround({ flags, segments }: Shape): FlagsAround {
  return {
    flag: (key) => flags.get(key),
    segments: compileSegments(new Map(segments)),
  };
}

/** What is wrong with one of the flags as they would be, in words; null: nothing. */
export function faultOfFlags(
  environment: Shape,
  keys: Iterable<string>,
  budget: CompileBudget = compileBudget(),
): string | null {
  let at = 'segments';
  try {
    const around = flagsAround(environment);
    checkPatterns(environment);
    checkSize(environment, around.segments);
    for (const key of keys) {
      at = `flag ${key}`;
      const flag = environment.flags.get(key);
      if (!flag || flag.archived) continue;
      checkPrerequisites(flag, environment);
      const { operators } = compileProgram(flagProgram(flag, around), around.segments.evaluators);
      budget.operatorsLeft -= operators;
      if (budget.operatorsLeft < 0) {
        throw new InvalidFlag(`the change reaches more than ${MAX_OPERATORS_REACHED} operators of rules`);
      }
    }
    return null;
  } catch (error) {
    if (error instanceof InvalidFlag || error instanceof InvalidRule) return `${at}: ${error.message}`;
    throw error;
  }
}

function checkPrerequisites({ settings }: FlagInEnvironment, { flags }: Shape): void {
  for (const { flag, variants } of settings.prerequisites) {
    const other = flags.get(flag);
    if (!other) throw new InvalidFlag(`its prerequisite ${flag} is no flag`);
    if (other.archived) throw new InvalidFlag(`its prerequisite ${flag} is archived`);
    const missing = variants.find((name) => !Object.hasOwn(other.variants, name));
    if (missing !== undefined) throw new InvalidFlag(`its prerequisite ${flag} has no variant ${missing}`);
  }
}

/** The flags and all that require them, themselves or through others. */
export function withDependents(flags: Shape['flags'], keys: Iterable<string>): ReadonlySet<string> {
  const found = new Set(keys);
  const requiring = [...flags.values()].filter((flag) => isRequiring(flag));
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const flag of requiring) {
      if (flag.settings.prerequisites.some((one) => found.has(one.flag))) found.add(flag.key);
    }
  }
  return found;
}

function isRequiring({ archived, settings }: EnvironmentFlag): boolean {
  return !archived && settings.prerequisites.length > 0;
}
