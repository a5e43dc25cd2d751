/**
 * A flag of one environment in parts. An edit rests on the parts that it is about as they were when it was
 * written, its bases: whatever else has changed since, it still does what was meant.
 */
import type { FlagSettings, FlagValueType, Variants } from '../../schemas/flag-values.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';

/** What decides the answers of a flag in one environment. */
export interface EditableFlag {
  readonly type: FlagValueType;
  readonly variants: Variants;
  /** That the variants of a JSON flag must fit; null: any object does. */
  readonly jsonSchema: JsonObject | null;
  readonly clientVisible: boolean;
  readonly settings: FlagSettings;
}

/** `rule:<id>` is one rule; `rule-order` the order in which they are tried. */
export type PartName =
  | 'mode'
  | 'off-variant'
  | 'prerequisites'
  | 'targets'
  | 'rule-order'
  | `rule:${string}`
  | 'fallthrough'
  | 'variants'
  | 'json-schema'
  | 'client-visible';

/** By name, in a fixed order. A rule that is not there is no part. */
export function partsOf(flag: EditableFlag): ReadonlyMap<PartName, Json> {
  const { variants, jsonSchema, clientVisible, settings } = flag;
  const { mode, offVariant, prerequisites, targets, rules, fallthrough } = settings;
  return new Map<PartName, Json>([
    ['mode', mode],
    ['off-variant', offVariant],
    ['prerequisites', prerequisites],
    ['targets', targets],
    ['rule-order', rules.map(({ id }) => id)],
    ...rules.map(({ id, ...rule }): [PartName, Json] => [`rule:${id}`, rule as unknown as Json]),
    ['fallthrough', fallthrough],
    ['variants', variants],
    ['json-schema', jsonSchema],
    ['client-visible', clientVisible],
  ]);
}

/** Parts as somebody saw them; null: not there. */
export type Bases = Readonly<Partial<Record<PartName, Json | null>>>;

export function basesOf(flag: EditableFlag, names: Iterable<PartName>): Bases {
  const parts = partsOf(flag);
  return Object.fromEntries([...names].map((name) => [name, parts.get(name) ?? null]));
}

export interface PartChange {
  readonly part: PartName;
  /** Null: it was not there, or is not any more. */
  readonly before: Json | null;
  readonly after: Json | null;
}

/** The parts that are no longer as they were. */
export function conflictsWith(bases: Bases, flag: EditableFlag): readonly PartChange[] {
  const parts = partsOf(flag);
  return (Object.keys(bases) as PartName[])
    .map((part) => ({ part, before: bases[part] ?? null, after: parts.get(part) ?? null }))
    .filter(isChange);
}

/** The same where one may not have been there yet: then every part is new. */
export function partsBetween(before: EditableFlag | undefined, after: EditableFlag): readonly PartChange[] {
  if (before) return difference(before, after);
  return [...partsOf(after)].map(([part, value]) => ({ part, before: null, after: value }));
}

/** What another state of the flag, or the flag in another environment, says otherwise. */
export function difference(from: EditableFlag, to: EditableFlag): readonly PartChange[] {
  const [before, after] = [partsOf(from), partsOf(to)];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .map((part) => ({ part, before: before.get(part) ?? null, after: after.get(part) ?? null }))
    .filter(isChange);
}

function isChange({ before, after }: PartChange): boolean {
  return canonical(before) !== canonical(after);
}

/** The order of the fields of an object says nothing. */
export function canonical(value: Json): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
