/** The engine's one door for whoever has a flag set and wants an answer: public suites run against it. */
import { isJsonObject, type Json, type JsonObject } from '../../../schemas/json.ts';
import type { EvaluationContext } from './compile-flag.ts';
import { compileFlagSet, type FlagType, resolve } from './flag-set.ts';
import { failed, type Resolution } from './resolution.ts';

export interface EvaluateOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Evaluates one flag of a flagd flag set, given as text or as what it says. Never throws; where the answer
 * has no `value`, the default of whoever asks counts.
 */
export function evaluate(
  flagSetJson: string | JsonObject,
  flagKey: string,
  type: FlagType,
  context: EvaluationContext | null | undefined,
  { now }: EvaluateOptions,
): Resolution {
  const definition = parsed(flagSetJson);
  if (!isJsonObject(definition) || !isJsonObject(definition.flags)) {
    return failed('PARSE_ERROR', 'The flag set is no JSON object with flags.');
  }
  const flagSet = compileFlagSet(definition, flagKey);
  if (context && !isJsonObject(context)) {
    return failed('INVALID_CONTEXT', 'The evaluation context is no object.', flagSet.metadata);
  }
  return resolve(flagSet, flagKey, type, context ?? {}, now);
}

function parsed(flagSetJson: string | JsonObject): Json {
  if (typeof flagSetJson !== 'string') return flagSetJson;
  try {
    return JSON.parse(flagSetJson) as Json;
  } catch {
    return null;
  }
}
