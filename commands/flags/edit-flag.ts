/** Edits of a flag, as functions from one state of it to the next. */
import type { FlagEdit } from '../../schemas/commands/flags.ts';
import { type FlagRule, type FlagSettings, MAX_RULES, mistyped } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import { servedBy } from '../../schemas/served-variants.ts';
import { misfit } from '../../schemas/variant-schema.ts';
import type { EditableFlag, PartName } from './flag-parts.ts';

/** An edit that cannot be done on the flag as it is. `path` leads to what is wrong in the edit. */
export class InvalidEdit extends Error {
  override readonly name = 'InvalidEdit';
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** The parts that edits are about: what they rest on. Throws `InvalidEdit` as `editFlag` does. */
export function partsOfEdits(flag: EditableFlag, edits: readonly FlagEdit[]): ReadonlySet<PartName> {
  const parts = new Set<PartName>();
  edits.reduce((before, edit, i) => {
    for (const part of partsOfEdit(edit, before)) parts.add(part);
    return applyEdit(before, edit, `edits.${i}`);
  }, flag);
  return parts;
}

/** All of them in their order, or none: throws `InvalidEdit` for the first that cannot be done. */
export function editFlag(flag: EditableFlag, edits: readonly FlagEdit[]): EditableFlag {
  const after = edits.reduce((before, edit, i) => applyEdit(before, edit, `edits.${i}`), flag);
  checkVariants(after);
  return after;
}

function partsOfEdit(edit: FlagEdit, { settings }: EditableFlag): readonly PartName[] {
  switch (edit.edit) {
    case 'set_mode':
      return ['mode'];
    case 'set_off_variant':
      return ['off-variant'];
    case 'set_prerequisites':
      return ['prerequisites'];
    case 'set_targets':
      return ['targets'];
    case 'put_rule': {
      const isThere = settings.rules.some(({ id }) => id === edit.rule.id);
      return isThere ? [`rule:${edit.rule.id}`] : [`rule:${edit.rule.id}`, 'rule-order'];
    }
    case 'remove_rule':
      return [`rule:${edit.id}`, 'rule-order'];
    case 'order_rules':
      return ['rule-order'];
    case 'set_fallthrough':
      return ['fallthrough'];
    case 'set_variants':
      return ['variants'];
    case 'set_json_schema':
      return ['json-schema'];
    case 'set_client_visible':
      return ['client-visible'];
  }
}

function applyEdit(flag: EditableFlag, edit: FlagEdit, path: string): EditableFlag {
  const { rules } = flag.settings;
  const set = (settings: Partial<FlagSettings>) => ({ ...flag, settings: { ...flag.settings, ...settings } });
  switch (edit.edit) {
    case 'set_mode':
      return set({ mode: edit.mode });
    case 'set_off_variant':
      return set({ offVariant: edit.variant });
    case 'set_prerequisites':
      return set({ prerequisites: edit.prerequisites });
    case 'set_targets':
      return set({ targets: edit.targets });
    case 'put_rule':
      return set({ rules: withRule(rules, edit, path) });
    case 'remove_rule':
      if (!rules.some(({ id }) => id === edit.id)) throw noRule(`${path}.id`, edit.id);
      return set({ rules: rules.filter(({ id }) => id !== edit.id) });
    case 'order_rules':
      return set({ rules: ordered(rules, edit.ids, `${path}.ids`) });
    case 'set_fallthrough':
      return set({ fallthrough: edit.fallthrough });
    case 'set_variants': {
      const [odd] = mistyped(flag.type, edit.variants);
      if (odd !== undefined) {
        throw new InvalidEdit(`${path}.variants.${odd}`, `a variant of this flag is of type ${flag.type}`);
      }
      return { ...flag, variants: edit.variants };
    }
    case 'set_json_schema':
      return { ...flag, jsonSchema: edit.jsonSchema as JsonObject | null };
    case 'set_client_visible':
      return { ...flag, clientVisible: edit.clientVisible };
  }
}

type PutRule = Extract<FlagEdit, { edit: 'put_rule' }>;

function withRule(rules: readonly FlagRule[], { rule, before }: PutRule, path: string): FlagRule[] {
  if (rules.some(({ id }) => id === rule.id)) {
    if (before !== undefined) {
      throw new InvalidEdit(`${path}.before`, `rule ${rule.id} is there already: move it with order_rules`);
    }
    return rules.map((one) => (one.id === rule.id ? rule : one));
  }
  if (rules.length >= MAX_RULES)
    throw new InvalidEdit(`${path}.rule`, `a flag has at most ${MAX_RULES} rules`);
  if (before === undefined) return [...rules, rule];
  const at = rules.findIndex(({ id }) => id === before);
  if (at < 0) throw noRule(`${path}.before`, before);
  return rules.toSpliced(at, 0, rule);
}

function ordered(rules: readonly FlagRule[], ids: readonly string[], path: string): FlagRule[] {
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  const unknown = ids.find((id) => !byId.has(id));
  if (unknown !== undefined) throw noRule(path, unknown);
  if (ids.length !== rules.length || new Set(ids).size !== ids.length) {
    throw new InvalidEdit(path, `name each of the ${rules.length} rules once`);
  }
  return ids.map((id) => byId.get(id)!);
}

function noRule(path: string, id: string): InvalidEdit {
  return new InvalidEdit(path, `there is no rule ${id}`);
}

/** Nothing may serve a variant that is not there: of whichever edit it was, the flag would fail. */
export function checkVariants({ type, variants, jsonSchema, settings }: EditableFlag): void {
  if (jsonSchema !== null && type !== 'json') {
    throw new InvalidEdit('edits', 'only a flag of type json has a JSON Schema');
  }
  for (const [name, value] of Object.entries(jsonSchema ? variants : {})) {
    const why = misfit(jsonSchema!, value);
    if (why !== null) throw new InvalidEdit('edits', `variant ${name} does not fit the JSON Schema: ${why}`);
  }
  for (const [path, name] of servedBy(settings)) {
    if (!Object.hasOwn(variants, name)) {
      throw new InvalidEdit(
        'edits',
        `${servedAt(path, settings)} serves ${name}, which is no variant of the flag`,
      );
    }
  }
}

function servedAt([part, at]: readonly PropertyKey[], { rules }: FlagSettings): string {
  if (part === 'rules') return `rule ${rules[Number(at)]!.id}`;
  return part === 'offVariant' ? 'the off variant' : part === 'targets' ? 'a target' : 'the fallthrough';
}
