/** Compiles one flag of a flagd flag set: https://flagd.dev/reference/flag-definitions/ */
import { isJsonObject, type Json, type JsonObject } from '../../../schemas/json.ts';
import { compileLogic } from './compile-logic.ts';
import type { Run } from './expression.ts';
import { MAX_ITEMS } from './operators/lists.ts';
import { type FlagMetadata, failed, type Resolution } from './resolution.ts';

export type EvaluationContext = Readonly<Record<string, unknown>>;

export interface CompiledFlag {
  readonly key: string;
  /** Its answers may change with time alone. */
  readonly readsClock: boolean;
  /** Never throws; the answer is frozen and shared: the same variant is the same object. */
  evaluate(context: EvaluationContext, nowMs: number): Resolution;
}

export interface FlagSurroundings {
  /** `$evaluators` of its set. */
  readonly evaluators?: JsonObject;
  /** Of its set; what the flag says itself counts more. */
  readonly metadata?: FlagMetadata;
}

/** A definition that is none compiles into a flag whose every answer is `PARSE_ERROR` and says why. */
export function compileFlag(key: string, definition: Json, around: FlagSurroundings = {}): CompiledFlag {
  const own = isJsonObject(definition) && isJsonObject(definition.metadata) ? definition.metadata : {};
  const metadata = Object.freeze({ ...around.metadata, ...own }) as FlagMetadata;
  const always = (resolution: Resolution): CompiledFlag => ({
    key,
    readsClock: false,
    evaluate: () => resolution,
  });
  const broken = (why: string) =>
    always(failed('PARSE_ERROR', `Flag '${key}' cannot be read: ${why}.`, metadata));

  if (!isJsonObject(definition)) return broken('it is no object');
  const { state, variants, targeting } = definition;
  if (state === 'DISABLED') return always(Object.freeze({ reason: 'DISABLED', flagMetadata: metadata }));
  if (state !== 'ENABLED') return broken('state is neither ENABLED nor DISABLED');
  if (!isJsonObject(variants)) return broken('variants is no object');
  const defaultVariant = definition.defaultVariant || null;
  if (
    defaultVariant !== null &&
    (typeof defaultVariant !== 'string' || !Object.hasOwn(variants, defaultVariant))
  ) {
    return broken(`defaultVariant ${JSON.stringify(defaultVariant)} is none of its variants`);
  }

  const answersOf = (reason: 'STATIC' | 'DEFAULT' | 'TARGETING_MATCH') =>
    new Map<string, Resolution>(
      Object.entries(variants).map(([variant, value]) => [
        variant,
        Object.freeze({ value: frozen(value), reason, variant, flagMetadata: metadata }),
      ]),
    );
  /** Nothing is said: the default in the code counts. */
  const silent: Resolution = Object.freeze({ reason: 'DEFAULT', flagMetadata: metadata });
  const byDefault = (reason: 'STATIC' | 'DEFAULT') =>
    defaultVariant === null ? silent : answersOf(reason).get(defaultVariant)!;
  if (!hasTargeting(targeting)) return always(byDefault('STATIC'));

  let logic: ReturnType<typeof compileLogic>;
  try {
    logic = compileLogic(targeting, {
      flagKey: key,
      ...(around.evaluators && { evaluators: around.evaluators }),
    });
  } catch (error) {
    return broken(`targeting: ${(error as Error).message}`);
  }
  const [unmatched, matched] = [byDefault('DEFAULT'), answersOf('TARGETING_MATCH')];
  const { evaluate } = logic;
  return {
    key,
    readsClock: logic.readsClock,
    evaluate(context, nowMs) {
      const run: Run = { context, nowSeconds: Math.floor(nowMs / 1000), itemsLeft: MAX_ITEMS };
      let found: unknown;
      let variant: string;
      try {
        found = evaluate(context, run);
        if (found === null || found === undefined) return unmatched;
        variant = typeof found === 'string' ? found : String(found);
      } catch (error) {
        const why = (error as Error).message;
        return failed('GENERAL', `The targeting of flag '${key}' failed: ${why}`, metadata);
      }
      return (
        matched.get(variant) ??
        failed('GENERAL', `Flag '${key}' has no variant ${JSON.stringify(variant.slice(0, 100))}.`, metadata)
      );
    },
  };
}

function hasTargeting(targeting: Json | undefined): targeting is Json {
  if (typeof targeting === 'object' && targeting !== null) return Object.keys(targeting).length > 0;
  return typeof targeting === 'string' && targeting !== '';
}

function frozen(value: Json): Json {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner as Json);
    Object.freeze(value);
  }
  return value;
}
