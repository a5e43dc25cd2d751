/** The edits that make one state of a flag of another: of the parts that differ, and no others. */
import { type FlagEdit, MAX_EDITS } from '../../schemas/commands/flags.ts';
import { MAX_VARIANTS, type Variants } from '../../schemas/flag-values.ts';
import { difference, type EditableFlag } from './flag-parts.ts';

export interface EditsBetween {
  /** Each list is one command, which leaves the flag whole. */
  readonly commands: readonly (readonly FlagEdit[])[];
  /** Variants to be dropped when nothing requires them any more; null: there are none, or they go with the rest. */
  readonly afterwards: readonly FlagEdit[] | null;
}

/**
 * Kills and the type aside, which no edit changes. With `keepVariants` those that are dropped stay until
 * `afterwards`, for other flags may require them.
 */
export function editsBetween(
  from: EditableFlag,
  to: EditableFlag,
  { keepVariants = false } = {},
): EditsBetween {
  const parts = new Set(difference(from, to).map(({ part }) => part));
  const { settings: was } = from;
  const { mode, offVariant, prerequisites, targets, rules, fallthrough } = to.settings;
  const both = { ...from.variants, ...to.variants };
  const drops = parts.has('variants') && Object.keys(both).length > Object.keys(to.variants).length;
  const removed = was.rules.filter(({ id }) => !rules.some((rule) => rule.id === id));
  const put = rules.filter(({ id }) => parts.has(`rule:${id}`));
  const order = [
    ...was.rules.filter((rule) => !removed.includes(rule)).map(({ id }) => id),
    ...put.filter(({ id }) => !was.rules.some((rule) => rule.id === id)).map(({ id }) => id),
  ];
  const rest: FlagEdit[] = [
    ...(parts.has('client-visible')
      ? [{ edit: 'set_client_visible' as const, clientVisible: to.clientVisible }]
      : []),
    ...(parts.has('off-variant') ? [{ edit: 'set_off_variant' as const, variant: offVariant }] : []),
    ...(parts.has('prerequisites') ? [{ edit: 'set_prerequisites' as const, prerequisites }] : []),
    ...(parts.has('targets') ? [{ edit: 'set_targets' as const, targets }] : []),
    ...removed.map(({ id }): FlagEdit => ({ edit: 'remove_rule', id })),
    ...put.map((rule): FlagEdit => ({ edit: 'put_rule', rule })),
    ...(order.join() !== rules.map(({ id }) => id).join()
      ? [{ edit: 'order_rules' as const, ids: rules.map(({ id }) => id) }]
      : []),
    ...(parts.has('fallthrough') ? [{ edit: 'set_fallthrough' as const, fallthrough }] : []),
    // What a flag answers is set before it is switched on.
    ...(parts.has('mode') && mode !== 'killed' ? [{ edit: 'set_mode' as const, mode }] : []),
  ];
  const setVariants = (variants: Variants): FlagEdit => ({
    edit: 'set_variants',
    variants: variants as Extract<FlagEdit, { edit: 'set_variants' }>['variants'],
  });
  const jsonSchema = to.jsonSchema as Extract<FlagEdit, { edit: 'set_json_schema' }>['jsonSchema'];
  const shape = (variants: Variants): FlagEdit[] => [
    ...(parts.has('variants') ? [setVariants(variants)] : []),
    ...(parts.has('json-schema') ? [{ edit: 'set_json_schema' as const, jsonSchema }] : []),
  ];
  const fits = shape(to.variants).length + rest.length <= MAX_EDITS;
  const apart =
    drops && (keepVariants || !fits) && Object.keys(both).length <= MAX_VARIANTS && to.jsonSchema === null;
  if (!apart) return { commands: inCommands([...shape(to.variants), ...rest]), afterwards: null };
  const last = [setVariants(to.variants)];
  const before = inCommands([...shape(both), ...rest]);
  return keepVariants
    ? { commands: before, afterwards: last }
    : { commands: [...before, last], afterwards: null };
}

function inCommands(edits: readonly FlagEdit[]): FlagEdit[][] {
  const commands: FlagEdit[][] = [];
  for (let i = 0; i < edits.length; i += MAX_EDITS) commands.push(edits.slice(i, i + MAX_EDITS));
  return commands;
}
