/** Conditions of rules and segments as JsonLogic, of the part that every flagd evaluates alike where it can be. */
import type { Condition, ConditionOperator, When } from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';

type Write = (attribute: Json, value: Json) => Json;

const not = (rule: Json): Json => ({ '!': [rule] });
const version =
  (operator: string): Write =>
  (attribute, value) => ({ sem_ver: [attribute, operator, value] });
const binary =
  (operator: string): Write =>
  (attribute, value) => ({ [operator]: [attribute, value] });
/** `in` fails on what is no text in some languages: `starts_with` answers null for it, everywhere. */
const contains: Write = (attribute, value) => {
  const isText: Json = { starts_with: [attribute, ''] };
  const holds: Json = { in: [value, attribute] };
  return { and: [isText, holds] };
};

const writers: Readonly<Record<ConditionOperator, Write>> = {
  equals: binary('==='),
  not_equals: binary('!=='),
  in: binary('in'),
  not_in: (attribute, value) => not({ in: [attribute, value] }),
  contains,
  not_contains: (attribute, value) => not(contains(attribute, value)),
  starts_with: binary('starts_with'),
  ends_with: binary('ends_with'),
  matches: binary('matches'),
  not_matches: (attribute, value) => not({ matches: [attribute, value] }),
  greater_than: binary('>'),
  greater_or_equal: binary('>='),
  less_than: binary('<'),
  less_or_equal: binary('<='),
  version_equals: version('='),
  version_not_equals: version('!='),
  version_greater_than: version('>'),
  version_greater_or_equal: version('>='),
  version_less_than: version('<'),
  version_less_or_equal: version('<='),
  version_same_major: version('^'),
  version_same_minor: version('~'),
  before: binary('before'),
  after: binary('after'),
  exists: (attribute, value) => ({ [value === true ? '!==' : '===']: [attribute, null] }),
};

export function conditionLogic({ attribute, is, value }: Condition): Json {
  return writers[is]({ var: attribute }, value);
}

/** `segment` writes what stands for one: a reference, or its own rule. */
export function whenLogic(when: When, segment: (key: string) => Json): Json {
  if ('attribute' in when) return conditionLogic(when);
  if ('segment' in when) return segment(when.segment);
  if ('all' in when) return { and: when.all.map((one) => whenLogic(one, segment)) };
  if ('any' in when) return { or: when.any.map((one) => whenLogic(one, segment)) };
  return 'not' in when ? not(whenLogic(when.not, segment)) : when.logic;
}
