/** Arithmetic. What is no number makes NaN, which names no variant. */
import { computed, type Evaluate, type Operator, operands } from '../expression.ts';

const number = (value: unknown): number => Number.parseFloat(value as string);

const folded =
  (fold: (values: readonly unknown[]) => unknown): Operator =>
  (args, compile) => {
    const each = operands(args, compile);
    return computed((data, run) => fold(each.map((evaluate) => evaluate(data, run))));
  };

const binary =
  (calculate: (a: number, b: number) => number): Operator =>
  (args, compile) => {
    const [x, y] = operands([args[0] ?? null, args[1] ?? null], compile) as [Evaluate, Evaluate];
    return computed((data, run) => calculate(x(data, run) as number, y(data, run) as number));
  };

const minus: Operator = (args, compile) => {
  if (args.length > 1) return binary((a, b) => a - b)(args, compile);
  const [operand] = operands([args[0] ?? null], compile) as [Evaluate];
  return computed((data, run) => -(operand(data, run) as number));
};

export const numberOperators: Readonly<Record<string, Operator>> = {
  '+': folded((values) => values.reduce<number>((sum, value) => sum + number(value), 0)),
  '*': folded((values) =>
    values.length === 1 ? values[0] : values.map(number).reduce((product, value) => product * value, 1),
  ),
  '-': minus,
  '/': binary((a, b) => a / b),
  '%': binary((a, b) => a % b),
  min: folded((values) => Math.min(...(values as number[]))),
  max: folded((values) => Math.max(...(values as number[]))),
};
