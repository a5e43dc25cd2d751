/** What rules are compiled into: closures, one inside the other. Nothing is generated as text and run. */
import type { Json } from '../../../schemas/json.ts';

/** One evaluation. */
export interface Run {
  /** The whole context, whatever item of a list is looked at. */
  readonly context: Readonly<Record<string, unknown>>;
  /** The time that `$flagd.timestamp` reads, in seconds. */
  readonly nowSeconds: number;
  /** Items of lists that may still be looked at. */
  itemsLeft: number;
}

/** `data` is the context, or inside `map` and its like the item. */
export type Evaluate = (data: unknown, run: Run) => unknown;
export type Test = (data: unknown, run: Run) => boolean;

export interface Expression {
  readonly evaluate: Evaluate;
  /** It says the same to everybody. */
  readonly literal?: { readonly value: unknown };
  /** It reads this attribute of the context, and nothing else. */
  readonly attribute?: string;
  /** It answers true, false or null and nothing else: JavaScript's truth is JsonLogic's. */
  readonly isTest?: boolean;
}

/** What an operator is compiled with. */
export interface Compiling {
  readonly flagKey: string;
  /** Data is the whole context here, and no item of a list. */
  readonly atRoot: boolean;
  expression(rule: Json): Expression;
  test(rule: Json): Test;
  /** A rule whose data is an item. */
  ofItem(rule: Json): Expression;
  /** Its answer may change with time alone. */
  readsClock(): void;
  /** A pattern is used: throws `InvalidRule` where there are too many. */
  spendPattern(pattern: string): void;
}

export type Operator = (args: readonly Json[], compile: Compiling) => Expression;

/** A rule that cannot be compiled. The message says what to mend. */
export class InvalidRule extends Error {
  override readonly name = 'InvalidRule';
}

export const literal = (value: unknown): Expression => ({ evaluate: () => value, literal: { value } });
export const computed = (evaluate: Evaluate): Expression => ({ evaluate });
export const tested = (evaluate: Test): Expression => ({ evaluate, isTest: true });
/** Like `tested`, where bad input makes it null. */
export const testedOrNull = (evaluate: (data: unknown, run: Run) => boolean | null): Expression => ({
  evaluate,
  isTest: true,
});

/** Empty lists and empty objects are false, as they are to flagd in every language. */
export function truthy(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) return value.length > 0;
    for (const _ in value) return true;
    return false;
  }
  return Boolean(value);
}

/** The operands one after the other, as an operator that takes any number of them wants them. */
export function operands(args: readonly Json[], compile: Compiling): readonly Evaluate[] {
  return args.map((arg) => compile.expression(arg).evaluate);
}

/** Two operands; one that is not there is `undefined`, as JavaScript has it. */
export function pair(args: readonly Json[], compile: Compiling): readonly [Expression, Expression] {
  const [a, b] = args;
  return [
    a === undefined ? literal(undefined) : compile.expression(a),
    b === undefined ? literal(undefined) : compile.expression(b),
  ];
}
