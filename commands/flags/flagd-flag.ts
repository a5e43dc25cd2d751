/** What a flagd is given of a flag: https://flagd.dev/reference/flag-definitions/ */
import type { JsonObject } from '../../schemas/json.ts';
import { type FlagProgram, programLogic } from './flag-program.ts';

/** Off and killed flags have no targeting: a client of any age serves the off variant. */
export function flagdFlag(program: FlagProgram): JsonObject {
  const { variants, otherwise } = program;
  const targeting = programLogic(program);
  const flag = { state: 'ENABLED', variants };
  if (typeof targeting === 'string') return { ...flag, defaultVariant: targeting };
  if (targeting === null) return { ...flag, defaultVariant: otherwise };
  return { ...flag, defaultVariant: otherwise, targeting };
}
