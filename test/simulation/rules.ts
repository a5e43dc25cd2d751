/** Every rule of the kernel that the simulation plays. */
import type { AnyRule } from './rule.ts';
import { executeRule } from './rules/execute.ts';

export const rules: readonly AnyRule[] = [executeRule];
