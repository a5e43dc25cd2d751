/** `map` and its like. Inside them data is an item, and the context is out of sight. */
import type { Json } from '../../../../schemas/json.ts';
import {
  type Compiling,
  computed,
  type Evaluate,
  type Expression,
  type Operator,
  operands,
  type Run,
  tested,
  truthy,
} from '../expression.ts';

/** Items looked at in one evaluation, those of lists inside lists too. */
export const MAX_ITEMS = 10_000;

/** The items, or null where there is no list. */
function itemsOf(value: unknown, run: Run): readonly unknown[] | null {
  if (!Array.isArray(value)) return null;
  run.itemsLeft -= value.length;
  if (run.itemsLeft < 0) throw new RangeError(`more than ${MAX_ITEMS} items of lists are looked at`);
  return value;
}

function over(
  args: readonly Json[],
  compile: Compiling,
  answer: (items: readonly unknown[] | null, rule: (item: unknown) => unknown) => unknown,
): Evaluate {
  const list = compile.expression(args[0] ?? null).evaluate;
  const rule = compile.ofItem(args[1] ?? null).evaluate;
  return (data, run) => answer(itemsOf(list(data, run), run), (item) => rule(item, run));
}

function holding(
  args: readonly Json[],
  compile: Compiling,
  answer: (items: readonly unknown[], holds: (item: unknown) => boolean) => boolean,
): Expression {
  const evaluate = over(args, compile, (items, rule) => answer(items ?? [], (item) => truthy(rule(item))));
  return tested(evaluate as (data: unknown, run: Run) => boolean);
}

const reduce: Operator = (args, compile) => {
  const list = compile.expression(args[0] ?? null).evaluate;
  const rule = compile.ofItem(args[1] ?? null).evaluate;
  const initial = compile.expression(args[2] ?? null).evaluate;
  return computed((data, run) => {
    const items = itemsOf(list(data, run), run) ?? [];
    return items.reduce((accumulator, current) => rule({ current, accumulator }, run), initial(data, run));
  });
};

const merge: Operator = (args, compile) => {
  const each = operands(args, compile);
  return computed((data, run) => {
    const merged = each.flatMap((evaluate) => evaluate(data, run));
    return itemsOf(merged, run);
  });
};

export const listOperators: Readonly<Record<string, Operator>> = {
  map: (args, compile) => computed(over(args, compile, (items, rule) => (items ?? []).map(rule))),
  filter: (args, compile) =>
    computed(over(args, compile, (items, rule) => (items ?? []).filter((item) => truthy(rule(item))))),
  // Of no items not all hold: JsonLogic has it so.
  all: (args, compile) => holding(args, compile, (items, holds) => items.length > 0 && items.every(holds)),
  none: (args, compile) => holding(args, compile, (items, holds) => !items.some(holds)),
  some: (args, compile) => holding(args, compile, (items, holds) => items.some(holds)),
  reduce,
  merge,
};
