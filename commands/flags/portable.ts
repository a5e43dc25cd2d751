/**
 * Whether every flagd, in whatever language, answers a rule as this engine does. What it cannot know is left
 * out of what flagd is given; over OFREP the flag is served all the same.
 */
import type { Condition, When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';

/** flagd has no such operators. */
const UNKNOWN_TO_FLAGD: ReadonlySet<Condition['is']> = new Set(['matches', 'not_matches', 'before', 'after']);
/** Soft comparisons, arithmetic and lists differ between languages. */
const PORTABLE = new Set(
  '=== !== > >= < <= in starts_with ends_with sem_ver and or ! !! if cat fractional var'.split(' '),
);

/** What in it is not portable, each named once; a segment's own rule is looked up by `segment`. */
export function unportableIn(when: When, segment: (key: string) => readonly string[]): readonly string[] {
  if ('attribute' in when) return UNKNOWN_TO_FLAGD.has(when.is) ? [when.is] : [];
  if ('segment' in when) return segment(when.segment);
  if ('not' in when) return unportableIn(when.not, segment);
  if ('logic' in when) return unportableLogic(when.logic);
  const several = 'all' in when ? when.all : when.any;
  return [...new Set(several.flatMap((one) => unportableIn(one, segment)))];
}

function unportableLogic(logic: Json): readonly string[] {
  if (typeof logic !== 'object' || logic === null) return [];
  if (Array.isArray(logic)) return [...new Set(logic.flatMap(unportableLogic))];
  const [operator = '{}', ...others] = Object.keys(logic);
  if (others.length > 0 || !PORTABLE.has(operator)) return [operator];
  const args = (logic as Readonly<Record<string, Json>>)[operator]!;
  if (operator === 'var') return readsPlainly(args) ? [] : ['var'];
  if (operator === 'in' && !isInList(args)) return ['in'];
  return unportableLogic(args);
}

/** One attribute by its name, and not what is injected. */
function readsPlainly(args: Json): boolean {
  const [name, ...otherwise] = Array.isArray(args) ? args : [args];
  return typeof name === 'string' && name !== '' && !name.startsWith('$') && otherwise.length === 0;
}

/** Whether a list of texts or numbers holds something; `in` of anything else may fail. */
function isInList(args: Json): boolean {
  const list = Array.isArray(args) ? args[1] : null;
  return Array.isArray(list) && list.every((one) => typeof one === 'string' || typeof one === 'number');
}
