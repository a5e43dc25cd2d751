/**
 * Flags of a flagd flag set as flags of an environment. Rules stay the logic that they are, so that everybody
 * keeps the variant, and the bucket, that flagd gave.
 */
import {
  type FlagSettings,
  type FlagValueType,
  flagKeySchema,
  flagSettingsSchema,
  mistyped,
  type Variants,
  variantsSchema,
} from '../../schemas/flag-values.ts';
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';
import { compileLogic } from './engine/compile-logic.ts';

export interface ImportedFlag {
  readonly key: string;
  readonly type: FlagValueType;
  readonly variants: Variants;
  readonly settings: FlagSettings;
}

export interface ImportFinding {
  readonly flag: string;
  /** `skipped`: it was left out. `changed`: it answers otherwise than it did. */
  readonly what: 'skipped' | 'changed';
  readonly message: string;
}

export interface FlagdImport {
  readonly flags: readonly ImportedFlag[];
  /** What could not be carried over as it is. */
  readonly findings: readonly ImportFinding[];
}

/** A flag that cannot be carried over. */
class Unfit extends Error {}

export function importFlagd(flagSet: JsonObject): FlagdImport {
  const flags: ImportedFlag[] = [];
  const findings: ImportFinding[] = [];
  const evaluators = isJsonObject(flagSet.$evaluators) ? flagSet.$evaluators : {};
  for (const [flag, definition] of definitionsIn(flagSet.flags)) {
    const changed = (message: string) => void findings.push({ flag, what: 'changed', message });
    try {
      flags.push(importFlag(flag, definition, evaluators, changed));
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      findings.push({ flag, what: 'skipped', message: error.message });
    }
  }
  return { flags, findings };
}

/** By key; a flagd also takes a list of flags that each say their key. */
function definitionsIn(flags: Json | undefined): readonly (readonly [string, Json])[] {
  if (!Array.isArray(flags)) return isJsonObject(flags) ? Object.entries(flags) : [];
  return flags.map((flag: Json) => [
    isJsonObject(flag) && typeof flag.key === 'string' ? flag.key : '',
    flag,
  ]);
}

function importFlag(
  key: string,
  definition: Json,
  evaluators: JsonObject,
  changed: (message: string) => void,
): ImportedFlag {
  if (!isJsonObject(definition)) throw new Unfit('it is no object');
  checked(flagKeySchema.safeParse(key));
  const variants = checked(variantsSchema.safeParse(definition.variants)) as Variants;
  const type = typeOf(variants);
  const names = Object.keys(variants);
  const otherwise = definition.defaultVariant || null;
  if (otherwise !== null && (typeof otherwise !== 'string' || !names.includes(otherwise))) {
    throw new Unfit(`its defaultVariant ${JSON.stringify(otherwise)} is none of its variants`);
  }
  const { state, targeting, metadata } = definition;
  if (state !== 'ENABLED' && state !== 'DISABLED')
    throw new Unfit('its state is neither ENABLED nor DISABLED');
  const offVariant = otherwise ?? names.find((name) => name === 'off' || name === 'false') ?? names[0]!;
  if (state === 'DISABLED') {
    changed(`it was disabled, and left the answer to the code; it is off, and serves ${offVariant}`);
  }
  if (isJsonObject(metadata) && Object.keys(metadata).length > 0)
    changed('its metadata are not carried over');
  return {
    key,
    type,
    variants,
    settings: checked(
      flagSettingsSchema.safeParse({
        mode: state === 'DISABLED' ? 'off' : 'on',
        offVariant,
        prerequisites: [],
        targets: [],
        rules: [],
        fallthrough: fallthroughOf(key, targeting, otherwise, evaluators),
      }),
    ),
  };
}

function fallthroughOf(
  key: string,
  targeting: Json | undefined,
  otherwise: string | null,
  evaluators: JsonObject,
) {
  const isRule = typeof targeting === 'object' && targeting !== null && Object.keys(targeting).length > 0;
  if (!isRule && (typeof targeting !== 'string' || targeting === '')) {
    return otherwise === null ? { codeDefault: true } : { variant: otherwise };
  }
  try {
    compileLogic(targeting, { flagKey: key, evaluators });
  } catch (error) {
    throw new Unfit(`its targeting cannot be read: ${(error as Error).message}`);
  }
  return { logic: inlined(targeting, evaluators), otherwise };
}

/** Without references: the rules that they name stand in their place. None goes in a circle: it has been compiled. */
function inlined(logic: Json, evaluators: JsonObject): Json {
  if (Array.isArray(logic)) return logic.map((one) => inlined(one, evaluators));
  if (!isJsonObject(logic)) return logic;
  const entries = Object.entries(logic);
  const [first] = entries;
  if (entries.length === 1 && first![0] === '$ref')
    return inlined(evaluators[first![1] as string]!, evaluators);
  return Object.fromEntries(entries.map(([name, value]) => [name, inlined(value, evaluators)]));
}

function typeOf(variants: Variants): FlagValueType {
  const types = ['boolean', 'string', 'number', 'json'] as const;
  const type = types.find((one) => mistyped(one, variants).length === 0);
  if (!type) throw new Unfit('its variants are not all of one type: boolean, string, number or JSON object');
  return type;
}

function checked<T>(
  parsed:
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } },
): T {
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new Unfit(path.length > 0 ? `${path.join('.')}: ${message}` : message);
}
