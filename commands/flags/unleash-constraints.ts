/**
 * Constraints of Unleash as conditions: https://docs.getunleash.io/concepts/activation-strategies#constraints
 * Its context carries texts, so a condition here takes what is a number there, too.
 */
import {
  attributeSchema,
  type Condition,
  MAX_CONDITION_VALUES,
  type When,
  whenSchema,
} from '../../schemas/flag-values.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { compileLogic } from './engine/compile-logic.ts';
import { addressesWithin } from './unleash-addresses.ts';

/** True or false: it holds for everybody, or for nobody. */
export type Holds = When | boolean;

/** What there is no condition for. The message says why. */
export class NotCarried extends Error {}

const SEM_VER = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** The attribute that says what a field of Unleash's context says. Throws `NotCarried` where none can. */
export function attributeOf(field: Json | undefined): string {
  const name = field === 'userId' ? 'targetingKey' : typeof field === 'string' ? field : '';
  // A dot leads into an attribute here, and is part of the name there.
  if (name.includes('.') || !attributeSchema.safeParse(name).success) {
    throw new NotCarried(`the context field ${quoted(field)} cannot be the name of an attribute`);
  }
  return name;
}

/** Throws `NotCarried` for what cannot be said here; `note` is told what is said otherwise. */
export function constraintHolds(constraint: JsonObject, note: (message: string) => void): Holds {
  const { contextName, operator, inverted } = constraint;
  const holds =
    contextName === 'currentTime' ? timeHolds(constraint, note) : fieldHolds(constraint, operator, note);
  return inverted === true ? noneOf(holds) : holds;
}

function fieldHolds(
  constraint: JsonObject,
  operator: Json | undefined,
  note: (message: string) => void,
): Holds {
  const attribute = attributeOf(constraint.contextName);
  const is = (name: Condition['is'], value: string): When => ({ attribute, is: name, value });
  const values = texts(constraint.values);
  const value = typeof constraint.value === 'string' ? constraint.value : String(constraint.value ?? '');
  switch (operator) {
    case 'IN':
      return oneOf(attribute, values);
    case 'NOT_IN':
      return noneOf(oneOf(attribute, values));
    case 'STR_STARTS_WITH':
    case 'STR_ENDS_WITH':
    case 'STR_CONTAINS':
      return anyOf(
        values.map((text) => textHolds(attribute, operator, text, constraint.caseInsensitive === true)),
      );
    case 'NUM_EQ':
      return numberHolds(attribute, value, ['greater_or_equal', 'less_or_equal']);
    case 'NUM_GT':
      return numberHolds(attribute, value, ['greater_than']);
    case 'NUM_GTE':
      return numberHolds(attribute, value, ['greater_or_equal']);
    case 'NUM_LT':
      return numberHolds(attribute, value, ['less_than']);
    case 'NUM_LTE':
      return numberHolds(attribute, value, ['less_or_equal']);
    case 'DATE_AFTER':
    case 'DATE_BEFORE': {
      const ms = Date.parse(value);
      if (Number.isNaN(ms)) return false;
      return is(operator === 'DATE_AFTER' ? 'after' : 'before', new Date(ms).toISOString());
    }
    case 'SEMVER_EQ':
    case 'SEMVER_GT':
    case 'SEMVER_GTE':
    case 'SEMVER_LT':
    case 'SEMVER_LTE':
      return SEM_VER.test(value) && value.length <= 256 && is(VERSIONS[operator], value);
    case 'REGEX':
      return patternHolds(attribute, constraint.caseInsensitive === true ? `(?i)${value}` : value, note);
    case 'IN_CIDR':
      return addressHolds(attribute, values, note);
    default:
      throw new NotCarried(`its operator ${quoted(operator)} is none that is known`);
  }
}

const VERSIONS = {
  SEMVER_EQ: 'version_equals',
  SEMVER_GT: 'version_greater_than',
  SEMVER_GTE: 'version_greater_or_equal',
  SEMVER_LT: 'version_less_than',
  SEMVER_LTE: 'version_less_or_equal',
} as const;
const AFFIXES = {
  STR_STARTS_WITH: 'starts_with',
  STR_ENDS_WITH: 'ends_with',
  STR_CONTAINS: 'contains',
} as const;

function textHolds(attribute: string, operator: keyof typeof AFFIXES, text: string, anyCase: boolean): When {
  if (!anyCase) return { attribute, is: AFFIXES[operator], value: text };
  const literal = text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
  const [before, after] = [
    operator === 'STR_STARTS_WITH' ? '^' : '',
    operator === 'STR_ENDS_WITH' ? '$' : '',
  ];
  return { attribute, is: 'matches', value: `(?i)${before}${literal}${after}` };
}

/** Who has no such attribute is never let in: nothing would compare as the number 0. */
function numberHolds(attribute: string, text: string, operators: readonly Condition['is'][]): Holds {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) return false;
  const compared = operators.map((is): When => ({ attribute, is, value }));
  return { all: [{ attribute, is: 'exists', value: true }, ...compared] };
}

function patternHolds(attribute: string, pattern: string, note: (message: string) => void): Holds {
  const condition = { attribute, is: 'matches', value: pattern } as const;
  try {
    compileLogic({ matches: [{ var: attribute }, pattern] }, { flagKey: '' });
    return condition;
  } catch {
    note(`the pattern ${quoted(pattern)} is none that is known here: it matches nothing`);
    return false;
  }
}

/** Whether an attribute is one of texts; of a number, what it is written as. */
export function oneOf(attribute: string, values: readonly string[]): Holds {
  const members = values.flatMap((text): (string | number)[] => {
    const number = Number(text);
    return text !== '' && String(number) === text && Number.isFinite(number) ? [text, number] : [text];
  });
  const lists: When[] = [];
  for (let i = 0; i < members.length; i += MAX_CONDITION_VALUES) {
    lists.push({ attribute, is: 'in', value: members.slice(i, i + MAX_CONDITION_VALUES) });
  }
  return anyOf(lists);
}

/** Whether an address is one of some, or lies in one of some networks. */
export function addressHolds(
  attribute: string,
  values: readonly string[],
  note: (message: string) => void,
): Holds {
  const { exact, prefixes, patterns, unknown } = addressesWithin(values);
  if (unknown.length > 0)
    note(`${unknown.map(quoted).join(', ')} cannot be carried over: no address matches`);
  return anyOf([
    oneOf(attribute, exact),
    ...prefixes.map((value): When => ({ attribute, is: 'starts_with', value })),
    ...patterns.map((value): When => ({ attribute, is: 'matches', value })),
  ]);
}

/** Of now: logic that reads the clock, as a flagd gives it. */
function timeHolds({ operator, value }: JsonObject, note: (message: string) => void): Holds {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (operator !== 'DATE_AFTER' && operator !== 'DATE_BEFORE') {
    throw new NotCarried(`its operator ${quoted(operator)} cannot be asked of the time`);
  }
  if (Number.isNaN(ms)) return false;
  note('it reads the clock, whatever currentTime says; a scheduled change at that time is cheaper');
  return { logic: { [operator === 'DATE_AFTER' ? '>' : '<']: [{ var: '$flagd.timestamp' }, ms / 1000] } };
}

/** Throws `NotCarried` where it is larger than a rule or segment may be. */
export function withinBounds(holds: Holds): Holds {
  if (typeof holds === 'boolean') return holds;
  const { error } = whenSchema.safeParse(holds);
  if (error) throw new NotCarried(`it is larger than a rule may be: ${error.issues[0]!.message}`);
  return holds;
}

export function allOf(parts: readonly Holds[]): Holds {
  if (parts.includes(false)) return false;
  const all = parts.filter((part) => typeof part !== 'boolean');
  return all.length > 1 ? { all } : (all[0] ?? true);
}

export function anyOf(parts: readonly Holds[]): Holds {
  if (parts.includes(true)) return true;
  const any = parts.filter((part) => typeof part !== 'boolean');
  return any.length > 1 ? { any } : (any[0] ?? false);
}

export function noneOf(holds: Holds): Holds {
  return typeof holds === 'boolean' ? !holds : { not: holds };
}

export function texts(values: Json | undefined): readonly string[] {
  return Array.isArray(values)
    ? values.filter((value) => typeof value === 'string' || typeof value === 'number').map(String)
    : [];
}

export function quoted(value: Json | undefined): string {
  const text = JSON.stringify(value) ?? 'none';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
