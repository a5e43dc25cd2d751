/** A flag set that is ready to answer. */
import { isJsonObject, type JsonObject } from '../../../schemas/json.ts';
import {
  type CompiledFlag,
  compileFlag,
  type EvaluationContext,
  type FlagSurroundings,
} from './compile-flag.ts';
import { type FlagMetadata, failed, type Resolution } from './resolution.ts';

export interface FlagSet {
  /** By key. */
  readonly flags: ReadonlyMap<string, CompiledFlag>;
  readonly metadata: FlagMetadata;
}

/** What OpenFeature's clients ask for; a number is a number, whole or not. */
export type FlagType = 'boolean' | 'string' | 'number' | 'integer' | 'float' | 'object';

const typeOf: Readonly<Record<FlagType, string>> = {
  boolean: 'boolean',
  string: 'string',
  number: 'number',
  integer: 'number',
  float: 'number',
  object: 'object',
};

/** Compiles a flagd flag set; `only` leaves the other flags out. A flag that cannot be read answers so itself. */
export function compileFlagSet(definition: JsonObject, only?: string): FlagSet {
  const { flags: defined, metadata = {} } = definition;
  const around = surroundingsOf(definition);
  const flags = new Map<string, CompiledFlag>();
  if (isJsonObject(defined)) {
    for (const [key, flag] of Object.entries(defined)) {
      if (only === undefined || only === key) flags.set(key, compileFlag(key, flag, around));
    }
  }
  return { flags, metadata: metadata as FlagMetadata };
}

/** What every flag of a set is compiled with: one that changes alone, too. */
export function surroundingsOf({ $evaluators: evaluators, metadata }: JsonObject): FlagSurroundings {
  return {
    ...(isJsonObject(evaluators) && { evaluators }),
    ...(isJsonObject(metadata) && { metadata: metadata as FlagMetadata }),
  };
}

/** Never throws; where the answer has no `value`, the default of whoever asks counts. */
export function resolve(
  { flags, metadata }: FlagSet,
  flagKey: string,
  type: FlagType,
  context: EvaluationContext,
  nowMs: number,
): Resolution {
  const flag = flags.get(flagKey);
  if (!flag) return failed('FLAG_NOT_FOUND', `There is no flag '${flagKey}'.`, metadata);
  const resolution = flag.evaluate(context, nowMs);
  const { value } = resolution;
  if (value === undefined || typeof value === typeOf[type]) return resolution;
  const why = `Flag '${flagKey}' is of type ${typeof value}, not ${type}.`;
  return failed('TYPE_MISMATCH', why, resolution.flagMetadata);
}
