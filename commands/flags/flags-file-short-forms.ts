/** What may be left out of a flags file or said shortly, said in full. What is of no such form stays as it is. */
import { conditionOperators, mistyped, type Variants, WHOLE } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';

/** Told what a short form does not say enough of; the path is one of the text. */
export type Fault = (path: readonly PropertyKey[], message: string) => void;
type Path = readonly PropertyKey[];

const SHARE = /^(\d{1,3})(?:\.(\d{1,3}))?\s?%$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
/** A flag that says nothing of its variants is one that is on or off. */
export const SWITCH: Variants = { on: true, off: false };
export const BY_DEFAULT = 'targetingKey';

export function flagsFileInFull(file: Json, fault: Fault): Json {
  if (!isJsonObject(file)) return file;
  const { segments = {}, flags } = file;
  return {
    ...file,
    segments: mapped(segments, (ofEnvironment) => mapped(ofEnvironment, whenInFull)),
    ...(flags !== undefined && {
      flags: mapped(flags, (flag, key) => flagInFull(flag, ['flags', key], fault)),
    }),
  };
}

function flagInFull(flag: Json, path: Path, fault: Fault): Json {
  if (!isJsonObject(flag)) return flag;
  const variants = flag.variants ?? (flag.type === undefined || flag.type === 'boolean' ? SWITCH : {});
  const type = flag.type ?? typeOf(variants);
  const { expiresAt, environments = {} } = flag;
  return {
    ...flag,
    ...(type !== undefined && { type }),
    variants,
    ...(typeof expiresAt === 'string' && DATE.test(expiresAt) && { expiresAt: `${expiresAt}T00:00:00Z` }),
    environments: mapped(environments, (settings, environment) =>
      settingsInFull(
        settings,
        isJsonObject(variants) ? variants : {},
        [...path, 'environments', environment],
        fault,
      ),
    ),
  };
}

function typeOf(variants: Json): Json | undefined {
  if (!isJsonObject(variants)) return undefined;
  return (['boolean', 'string', 'number', 'json'] as const).find(
    (type) => mistyped(type, variants).length === 0,
  );
}

/** The variant for who is not let in, where nothing is said of it: the false one, or one of that name. */
export function usualOff(variants: JsonObject): string | undefined {
  const names = Object.keys(variants);
  return (
    names.find((name) => variants[name] === false) ??
    names.find((name) => name === 'off' || name === 'disabled')
  );
}

function settingsInFull(given: Json, variants: JsonObject, path: Path, fault: Fault): Json {
  if (!isJsonObject(given)) return given;
  const { mode = 'on', off, requires = {}, targets = {}, rules = [], ...others } = given;
  const { serve, rollout, codeDefault, logic, otherwise, ...rest } = others;
  const offVariant = off === undefined ? usualOff(variants) : nameOf(off);
  const dealing: Dealing = { variants: Object.keys(variants), off: offVariant ?? null, fault };
  const said = [serve, rollout, codeDefault, logic].filter((one) => one !== undefined);
  if (said.length !== 1) {
    fault(path, 'say one of serve, rollout, codeDefault and logic: what they get whom no rule is for');
  }
  if (otherwise !== undefined && logic === undefined) fault([...path, 'otherwise'], 'belongs to logic');
  return {
    mode,
    ...(offVariant !== undefined && { offVariant }),
    prerequisites: listOf(requires, 'flag', 'variants', (one) => many(one).map(nameOf)),
    targets: listOf(targets, 'variant', 'keys', (one) => many(one).map(nameOf)),
    rules: Array.isArray(rules)
      ? rules.map((rule, i) => ruleInFull(rule, i, [...path, 'rules', i], dealing))
      : rules,
    fallthrough:
      logic !== undefined
        ? { logic, otherwise: otherwise === undefined ? null : nameOf(otherwise) }
        : codeDefault !== undefined
          ? { codeDefault }
          : serveInFull(serve, rollout, path, dealing),
    ...rest,
  };
}

interface Dealing {
  readonly variants: readonly string[];
  readonly off: Json;
  readonly fault: Fault;
}

function ruleInFull(rule: Json, i: number, path: Path, dealing: Dealing): Json {
  if (!isJsonObject(rule)) return rule;
  const { id = `rule-${i + 1}`, when, serve, rollout, ...rest } = rule;
  if ((serve === undefined) === (rollout === undefined)) dealing.fault(path, 'say one of serve and rollout');
  return {
    id: nameOf(id),
    ...(when !== undefined && { when: whenInFull(when) }),
    serve: serveInFull(serve, rollout, path, dealing),
    ...rest,
  };
}

/** Where neither is said, that has been told: what stands here then is never looked at. */
function serveInFull(serve: Json | undefined, rollout: Json | undefined, path: Path, dealing: Dealing): Json {
  if (rollout === undefined) return { variant: serve === undefined ? dealing.off : nameOf(serve) };
  return { rollout: rolloutInFull(rollout, [...path, 'rollout'], dealing) };
}

function rolloutInFull(given: Json, path: Path, { variants, off, fault }: Dealing): Json {
  const {
    exposure = '100%',
    by = BY_DEFAULT,
    weights,
    ...rest
  } = isJsonObject(given) ? given : { exposure: given };
  const share = typeof exposure === 'string' ? SHARE.exec(exposure) : null;
  const parts = share ? Number(share[1]) * 1_000 + Number((share[2] ?? '').padEnd(3, '0')) : 0;
  if (!share || parts > WHOLE) {
    fault(
      isJsonObject(given) ? [...path, 'exposure'] : path,
      'a share is written as 25% or 0.125%, up to 100%',
    );
  }
  const others = variants.filter((variant) => variant !== off);
  if (weights === undefined && others.length !== 1) {
    fault(path, 'say which variants, as in weights: {a: 50, b: 50}');
  }
  return {
    by,
    exposure: Math.min(parts, WHOLE),
    weights:
      weights === undefined
        ? [{ variant: others[0] ?? off, weight: 1 }]
        : listOf(weights, 'variant', 'weight', (one) => one),
    ...rest,
  };
}

/** A list means all of it, and an operator may stand for `is` and `value`. */
export function whenInFull(when: Json): Json {
  if (Array.isArray(when)) return { all: when.map(whenInFull) };
  if (!isJsonObject(when)) return when;
  const [several] = (['all', 'any'] as const).filter((name) => Array.isArray(when[name]));
  if (several) return { ...when, [several]: (when[several] as readonly Json[]).map(whenInFull) };
  if (when.not !== undefined) return { ...when, not: whenInFull(when.not) };
  const { attribute, ...rest } = when;
  const [operator, ...others] = Object.keys(rest);
  if (
    attribute !== undefined &&
    operator !== undefined &&
    others.length === 0 &&
    Object.hasOwn(conditionOperators, operator)
  ) {
    return { attribute, is: operator, value: rest[operator]! };
  }
  return when;
}

/** A map, or a list where the order of the map would be lost, as a list. */
function listOf(given: Json, key: string, value: string, inFull: (one: Json) => Json): Json {
  if (isJsonObject(given))
    return Object.entries(given).map(([name, one]) => ({ [key]: name, [value]: inFull(one) }));
  if (!Array.isArray(given)) return given;
  return given.map((one: Json) => {
    if (!isJsonObject(one)) return one;
    const [name, inner] = [one[key], one[value]];
    return {
      ...one,
      ...(name !== undefined && { [key]: nameOf(name) }),
      ...(inner !== undefined && { [value]: inFull(inner) }),
    };
  });
}

const many = (one: Json): readonly Json[] => (Array.isArray(one) ? one : [one]);

/** YAML takes what is written `true` or `1` for no text. */
function nameOf(name: Json): Json {
  return typeof name === 'boolean' || typeof name === 'number' ? String(name) : name;
}

function mapped(map: Json, inFull: (value: Json, key: string) => Json): Json {
  if (!isJsonObject(map)) return map;
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, inFull(value, key)]));
}
