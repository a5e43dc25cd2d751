/** Conditions that say the same of everybody. */
import type { When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { truthy } from './engine/expression.ts';
import { canonical } from './flag-parts.ts';
import { MAX_SEGMENT_DEPTH } from './segments.ts';

/** True or false: it holds always, or never; null: that depends, or is not seen here. */
export function constantOf(
  when: When,
  segment: (key: string) => When | undefined,
  depth = 0,
): boolean | null {
  if ('attribute' in when) return null;
  if ('logic' in when) {
    const { logic } = when;
    return typeof logic === 'object' && logic !== null && !Array.isArray(logic) ? null : truthy(logic);
  }
  if ('segment' in when) {
    const rule = depth < MAX_SEGMENT_DEPTH ? segment(when.segment) : undefined;
    return rule ? constantOf(rule, segment, depth + 1) : null;
  }
  if ('not' in when) {
    const inner = constantOf(when.not, segment, depth);
    return inner === null ? null : !inner;
  }
  // Of `any` one that holds is enough; of `all` one that does not.
  const [parts, enough] = 'any' in when ? [when.any, true] : [when.all, false];
  const each = parts.map((part) => constantOf(part, segment, depth));
  const said = new Set(parts.map((part) => canonical(part as Json)));
  if (each.includes(enough) || parts.some((part) => said.has(canonical(oppositeOf(part) as Json))))
    return enough;
  return each.every((one) => one === !enough) ? !enough : null;
}

function oppositeOf(when: When): When {
  if ('not' in when) return when.not;
  if ('attribute' in when && when.is === 'exists') return { ...when, value: when.value !== true };
  return { not: when };
}
