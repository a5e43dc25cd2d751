/** The segments that a rule names itself, each as often as it does: by name, or from imported logic. */
import type { FlagSettings, When } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json } from '../../schemas/json.ts';

/** What rules refer to a segment's evaluator by. */
export const evaluatorOf = (segment: string): string => `segment:${segment}`;
const PREFIX = evaluatorOf('');

/** Rules are never changed in place: what one names is found once. */
const found = new WeakMap<object, readonly string[]>();

export function segmentsNamed(when: When): readonly string[] {
  return once(when, () => ofWhen(when));
}

export function segmentsNamedBySettings(settings: FlagSettings): readonly string[] {
  return once(settings, () => [
    ...settings.rules.flatMap(({ when }) => ofWhen(when)),
    ...('logic' in settings.fallthrough ? ofLogic(settings.fallthrough.logic) : []),
  ]);
}

/** Of its logic alone. */
export function segmentsInLogic(when: When): readonly string[] {
  if ('logic' in when) return ofLogic(when.logic);
  if ('not' in when) return segmentsInLogic(when.not);
  if ('attribute' in when || 'segment' in when) return [];
  return ('all' in when ? when.all : when.any).flatMap(segmentsInLogic);
}

function once(rule: object, find: () => readonly string[]): readonly string[] {
  let names = found.get(rule);
  if (!names) {
    names = find();
    found.set(rule, names);
  }
  return names;
}

function ofWhen(when: When): readonly string[] {
  if ('segment' in when) return [when.segment];
  if ('not' in when) return ofWhen(when.not);
  if ('attribute' in when) return [];
  if ('logic' in when) return ofLogic(when.logic);
  return ('all' in when ? when.all : when.any).flatMap(ofWhen);
}

function ofLogic(logic: Json): readonly string[] {
  if (Array.isArray(logic)) return logic.flatMap(ofLogic);
  if (!isJsonObject(logic)) return [];
  return Object.entries(logic).flatMap(([name, given]) =>
    name === '$ref' && typeof given === 'string' && given.startsWith(PREFIX)
      ? [given.slice(PREFIX.length)]
      : ofLogic(given),
  );
}
