/** Changes of a flag's parts as an event keeps them, and the flag that they make. */
import type { RecordedParts, RecordedSettings } from '../../schemas/events/flags.ts';
import type { FlagRule, FlagSettings } from '../../schemas/flag-values.ts';
import type { EditableFlag, PartChange, PartName } from './flag-parts.ts';

const fields: Partial<Record<PartName, keyof RecordedParts>> = {
  mode: 'mode',
  'off-variant': 'offVariant',
  prerequisites: 'prerequisites',
  targets: 'targets',
  'rule-order': 'ruleOrder',
  fallthrough: 'fallthrough',
  variants: 'variants',
  'json-schema': 'jsonSchema',
  'client-visible': 'clientVisible',
};

export function recordedParts(changes: readonly PartChange[]): RecordedParts {
  const plain: Record<string, unknown> = {};
  const rules: [string, unknown][] = [];
  for (const { part, after } of changes) {
    if (part.startsWith('rule:')) rules.push([part.slice('rule:'.length), after]);
    else plain[fields[part]!] = after;
  }
  return { ...plain, ...(rules.length > 0 && { rules: Object.fromEntries(rules) }) } as RecordedParts;
}

/** The flag with the parts in place of its own. */
export function withParts<F extends EditableFlag>(flag: F, parts: RecordedParts): F {
  const { rules, ruleOrder, variants, jsonSchema, clientVisible, ...settings } = parts;
  return {
    ...flag,
    ...(variants && { variants }),
    ...(jsonSchema !== undefined && { jsonSchema }),
    ...(clientVisible !== undefined && { clientVisible }),
    settings: {
      ...flag.settings,
      ...settings,
      ...((rules || ruleOrder) && { rules: rulesOf(flag.settings.rules, rules ?? {}, ruleOrder) }),
    },
  };
}

/** A condition was checked by the command that recorded it. */
export function settingsOf(recorded: RecordedSettings): FlagSettings {
  return recorded as FlagSettings;
}

function rulesOf(
  before: readonly FlagRule[],
  changed: NonNullable<RecordedParts['rules']>,
  order: readonly string[] = before.map(({ id }) => id),
): FlagRule[] {
  const known = new Map(before.map((rule) => [rule.id, rule]));
  return order.flatMap((id) => {
    const rule = Object.hasOwn(changed, id) ? changed[id] && { id, ...changed[id] } : known.get(id);
    return rule ? [rule as FlagRule] : [];
  });
}
