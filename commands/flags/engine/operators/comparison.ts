/** Equality and order, soft and strict, as JavaScript has them, and `in`. */
import type { Json } from '../../../../schemas/json.ts';
import {
  type Compiling,
  type Evaluate,
  type Expression,
  type Operator,
  operands,
  pair,
  tested,
} from '../expression.ts';

/** From so many on a set is quicker than a look at each. */
const MIN_SET = 8;

function strictEquality(args: readonly Json[], compile: Compiling, equal: boolean): Expression {
  const [a, b] = pair(args, compile);
  const [{ attribute }, { literal }] = a.literal ? [b, a] : [a, b];
  if (attribute !== undefined && literal && literal.value !== null) {
    const { value } = literal;
    return tested((data) => ((data as Record<string, unknown>)[attribute] === value) === equal);
  }
  const [x, y] = [a.evaluate, b.evaluate];
  return tested((data, run) => (x(data, run) === y(data, run)) === equal);
}

function softEquality(args: readonly Json[], compile: Compiling, equal: boolean): Expression {
  const [x, y] = pair(args, compile).map(({ evaluate }) => evaluate) as [Evaluate, Evaluate];
  // biome-ignore lint/suspicious/noDoubleEquals: this operator is the soft one.
  return tested((data, run) => (x(data, run) == y(data, run)) === equal);
}

type Order = (a: number, b: number) => boolean;

/** With three operands: whether the second lies between the others. */
function ordered(holds: Order): Operator {
  const test = holds as (a: unknown, b: unknown) => boolean;
  return (args, compile) => {
    if (args.length < 3) {
      const [a, b] = pair(args, compile);
      const { attribute } = a;
      if (attribute !== undefined && b.literal) {
        const { value } = b.literal;
        return tested((data) => test((data as Record<string, unknown>)[attribute] ?? null, value));
      }
      const [x, y] = [a.evaluate, b.evaluate];
      return tested((data, run) => test(x(data, run), y(data, run)));
    }
    const [x, y, z] = operands(args, compile) as [Evaluate, Evaluate, Evaluate];
    return tested((data, run) => {
      const between = y(data, run);
      return test(x(data, run), between) && test(between, z(data, run));
    });
  };
}

/** A member of a list, or a part of a text; of anything else nothing is. */
function isIn(args: readonly Json[], compile: Compiling): Expression {
  const [a, b] = pair(args, compile);
  const of = b.literal?.value;
  if (Array.isArray(of) && of.length >= MIN_SET && of.every((member) => typeof member === 'string')) {
    const members: ReadonlySet<unknown> = new Set(of);
    const { attribute, evaluate } = a;
    if (attribute !== undefined) {
      return tested((data) => members.has((data as Record<string, unknown>)[attribute]));
    }
    return tested((data, run) => members.has(evaluate(data, run)));
  }
  const [x, y] = [a.evaluate, b.evaluate];
  return tested((data, run) => {
    const within = y(data, run);
    // Nothing is in an empty text, not even another.
    if (typeof within === 'string') return within !== '' && within.indexOf(x(data, run) as string) !== -1;
    return Array.isArray(within) && within.indexOf(x(data, run)) !== -1;
  });
}

export const comparisonOperators: Readonly<Record<string, Operator>> = {
  '===': (args, compile) => strictEquality(args, compile, true),
  '!==': (args, compile) => strictEquality(args, compile, false),
  '==': (args, compile) => softEquality(args, compile, true),
  '!=': (args, compile) => softEquality(args, compile, false),
  '>': ordered((a, b) => a > b),
  '>=': ordered((a, b) => a >= b),
  '<': ordered((a, b) => a < b),
  '<=': ordered((a, b) => a <= b),
  in: isIn,
};
