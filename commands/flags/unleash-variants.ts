/** Variants of Unleash, which have a name and maybe a payload, as variants with a value of one type. */
import { type FlagValueType, MAX_VARIANTS } from '../../schemas/flag-values.ts';
import { isJsonObject, type Json, type JsonObject } from '../../schemas/json.ts';
import { NotCarried } from './unleash-constraints.ts';
import { text } from './unleash-export.ts';

/** What is served where a flag is on; empty: it is on, and none of them is chosen. */
export type Weights = readonly { readonly variant: string; readonly weight: number }[];

export interface FlagVariants {
  readonly type: FlagValueType;
  readonly variants: Readonly<Record<string, Json>>;
  readonly off: string;
  /** Everything but `off`. */
  readonly on: readonly string[];
  /** What a variant of Unleash became. */
  nameOf(variant: JsonObject): string;
  /** What every variant of that name became. */
  namesOf(name: string): readonly string[];
}

/** A flag that is on or off, and nothing more. */
const SWITCH: FlagVariants = {
  type: 'boolean',
  variants: { on: true, off: false },
  off: 'off',
  on: ['on'],
  nameOf: () => 'on',
  namesOf: () => [],
};

export function flagVariants(given: readonly JsonObject[], note: (message: string) => void): FlagVariants {
  if (given.length === 0) return SWITCH;
  const [type, toValue] = typed(given, note);
  const names = new Map<string, string>();
  const variants: Record<string, Json> = {};
  const ofName = new Map<string, string[]>();
  for (const variant of given) {
    const theirs = text(variant.name) ?? '';
    const known = names.get(identity(variant));
    if (known !== undefined) continue;
    if (names.size === MAX_VARIANTS - 1) {
      throw new NotCarried(`it has more than ${MAX_VARIANTS} variants, with the one for off`);
    }
    const name = freeName(keyOf(theirs, 'variant'), variants);
    if (name !== theirs) note(`its variant ${JSON.stringify(theirs)} is called ${name}`);
    names.set(identity(variant), name);
    ofName.set(theirs, [...(ofName.get(theirs) ?? []), name]);
    variants[name] = toValue(variant);
  }
  const on = Object.keys(variants);
  const off = freeName('disabled', variants);
  variants[off] = OFF[type];
  if (type === 'string' && given.every(({ payload }) => !isJsonObject(payload))) variants[off] = 'disabled';
  note(
    `it is of type ${type} for the sake of its variants; where it was not enabled it answers ${JSON.stringify(variants[off])} (${off})`,
  );
  return {
    type,
    variants,
    off,
    on,
    nameOf: (variant) => names.get(identity(variant)) ?? off,
    namesOf: (name) => ofName.get(name) ?? [],
  };
}

const OFF: Readonly<Record<FlagValueType, Json>> = { boolean: false, string: '', number: 0, json: {} };

function identity({ name, payload }: JsonObject): string {
  const { type, value } = isJsonObject(payload) ? payload : { type: null, value: null };
  return JSON.stringify([name ?? null, type ?? null, value ?? null]);
}

/** The type that takes every payload, and how one becomes a value of it. */
function typed(
  given: readonly JsonObject[],
  note: (message: string) => void,
): readonly [FlagValueType, (variant: JsonObject) => Json] {
  const payloads = given.flatMap(({ payload }) => (isJsonObject(payload) ? [payload] : []));
  if (payloads.length === 0) return ['string', ({ name }) => text(name) ?? ''];
  const kinds = new Set(payloads.map(({ type }) => type));
  const raw = ({ payload }: JsonObject) =>
    isJsonObject(payload) && (typeof payload.value === 'string' || typeof payload.value === 'number')
      ? String(payload.value)
      : null;
  const fits = (as: (value: string) => Json | undefined) =>
    given.every((variant) => raw(variant) === null || as(raw(variant)!) !== undefined);
  const told = (type: FlagValueType, as: (value: string) => Json | undefined) => {
    if (payloads.length < given.length)
      note(`a variant without payload answers ${JSON.stringify(OFF[type])}`);
    return [type, (variant: JsonObject) => as(raw(variant) ?? '') ?? OFF[type]] as const;
  };
  if (kinds.size === 1 && kinds.has('number') && fits(asNumber)) return told('number', asNumber);
  if (kinds.size === 1 && kinds.has('json') && fits(asObject)) return told('json', asObject);
  if (kinds.size > 1 || kinds.has('number') || kinds.has('json')) {
    note(
      'the payloads of its variants are not all numbers, nor all JSON objects: they are texts, as they stand',
    );
  }
  return told('string', (value) => value);
}

function asNumber(value: string): number | undefined {
  const number = Number(value);
  return value.trim() !== '' && Number.isFinite(number) ? number : undefined;
}

function asObject(value: string): JsonObject | undefined {
  try {
    const parsed = JSON.parse(value) as Json;
    return isJsonObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** A key as they are here, as like to a name of Unleash as can be. */
export function keyOf(name: string, otherwise: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 90) || otherwise
  );
}

export function freeName(name: string, taken: object): string {
  if (!Object.hasOwn(taken, name)) return name;
  let n = 2;
  while (Object.hasOwn(taken, `${name}-${n}`)) n += 1;
  return `${name}-${n}`;
}
