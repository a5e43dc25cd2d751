/**
 * The patterns of an environment, which are compiled wherever it is loaded: 1,000 characters take up to 60 ms,
 * in which nobody is answered.
 */
import type { When } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json } from '../../schemas/json.ts';
import type { EnvironmentFlag, EnvironmentState } from './environment-state.ts';
import { InvalidFlag } from './invalid-flag.ts';

/** Each pattern once, however often it is used. */
export const MAX_PATTERN_CHARACTERS_OF_ENVIRONMENT = 20_000;

/** Rules are never changed in place: what is in one is found once. */
const found = new WeakMap<object, readonly string[]>();

/** Throws `InvalidFlag` where there are too many. */
export function checkPatterns({ flags, segments }: Pick<EnvironmentState, 'flags' | 'segments'>): void {
  const patterns = new Set<string>();
  for (const flag of flags.values()) {
    if (!flag.archived) for (const pattern of once(flag.settings, () => ofFlag(flag))) patterns.add(pattern);
  }
  for (const when of segments.values()) {
    for (const pattern of once(when, () => ofWhen(when))) patterns.add(pattern);
  }
  let characters = 0;
  for (const { length } of patterns) characters += length;
  if (characters <= MAX_PATTERN_CHARACTERS_OF_ENVIRONMENT) return;
  throw new InvalidFlag(
    `the patterns of the environment have more than ${MAX_PATTERN_CHARACTERS_OF_ENVIRONMENT} characters together`,
  );
}

function once(rule: object, find: () => readonly string[]): readonly string[] {
  let patterns = found.get(rule);
  if (!patterns) {
    patterns = [...new Set(find())];
    found.set(rule, patterns);
  }
  return patterns;
}

function ofFlag({ settings }: EnvironmentFlag): readonly string[] {
  const { rules, fallthrough } = settings;
  const ofRules = rules.flatMap(({ when }) => ofWhen(when));
  return 'logic' in fallthrough ? [...ofRules, ...ofLogic(fallthrough.logic)] : ofRules;
}

function ofWhen(when: When): readonly string[] {
  if ('attribute' in when) {
    const isPattern = when.is === 'matches' || when.is === 'not_matches';
    return isPattern && typeof when.value === 'string' ? [when.value] : [];
  }
  if ('segment' in when) return [];
  if ('logic' in when) return ofLogic(when.logic);
  if ('not' in when) return ofWhen(when.not);
  return ('all' in when ? when.all : when.any).flatMap(ofWhen);
}

function ofLogic(logic: Json): readonly string[] {
  if (Array.isArray(logic)) return logic.flatMap(ofLogic);
  if (!isJsonObject(logic)) return [];
  return Object.entries(logic).flatMap(([name, given]) => [
    ...(name === 'matches' && Array.isArray(given) && typeof given[1] === 'string' ? [given[1]] : []),
    ...ofLogic(given),
  ]);
}
