/** Every operator, by its name in JsonLogic. */
import type { Operator } from '../expression.ts';
import { comparisonOperators } from './comparison.ts';
import { controlOperators } from './control.ts';
import { dataOperators } from './data.ts';
import { dateOperators } from './dates.ts';
import { fractional } from './fractional.ts';
import { listOperators } from './lists.ts';
import { matches } from './matches.ts';
import { numberOperators } from './numbers.ts';
import { semVer } from './sem-ver.ts';
import { textOperators } from './text.ts';

export const operators: Readonly<Record<string, Operator>> = {
  ...controlOperators,
  ...comparisonOperators,
  ...dataOperators,
  ...numberOperators,
  ...textOperators,
  ...listOperators,
  ...dateOperators,
  fractional,
  matches,
  sem_ver: semVer,
};
