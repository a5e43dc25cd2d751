/** Plans a flags file against a project, of which an environment may have other variants than another. */
import { type FlagsPlan, type PlanOptions, planFlags } from '../../commands/flags/plan-flags.ts';
import type { FlagsFile } from '../../schemas/flags-file.ts';
import type { CurrentFlags } from './current-flags.ts';

/** `wanted` is given what is there, as each environment has it. */
export function planAgainst(
  current: CurrentFlags,
  wanted: (current: FlagsFile) => FlagsFile,
  { remove = false }: Pick<PlanOptions, 'remove'> = {},
): FlagsPlan {
  const options = { remove, environments: [...current.environments.keys()] };
  const planOf = (environment: string | null) => {
    const file = current.fileOf(environment);
    return planFlags(file, wanted(file), options);
  };
  const whole = planOf(null);
  const environments = whole.environments.map((planned) => {
    if (!current.otherwise.has(planned.environment)) return planned;
    return planOf(planned.environment).environments.find(
      ({ environment }) => environment === planned.environment,
    )!;
  });
  return { ...whole, environments };
}
