/** What a flagd is given of a flag: https://flagd.dev/reference/flag-definitions/ */
import type { JsonObject } from '../../schemas/json.ts';
import { type FlagProgram, programLogic } from './flag-program.ts';

/** Off and killed flags have no targeting: a client of any age serves the off variant. */
export function flagdFlag(program: FlagProgram): JsonObject {
  const { variants, steps, offVariant } = program;
  const targeting = programLogic(program);
  const flag = { state: 'ENABLED', variants };
  if (typeof targeting === 'string') return { ...flag, defaultVariant: targeting };
  if (targeting === null) return { ...flag, defaultVariant: null };
  // The targeting names a variant for everybody, unless it leaves somebody to the default in the code.
  return { ...flag, defaultVariant: steps.at(-1)?.serve === null ? null : offVariant, targeting };
}
