/** Texts: `cat`, `substr`, `starts_with`, `ends_with`, and `log`, which tells nobody. */
import type { Json } from '../../../../schemas/json.ts';
import {
  type Compiling,
  computed,
  type Evaluate,
  type Expression,
  type Operator,
  operands,
  pair,
  testedOrNull,
} from '../expression.ts';

/** Of what `cat` puts together: in a `reduce` it could double itself for ever. */
const MAX_TEXT_LENGTH = 1_048_576;

export function catOf(values: readonly unknown[]): string {
  const text = values.join('');
  if (text.length > MAX_TEXT_LENGTH)
    throw new RangeError(`cat makes more than ${MAX_TEXT_LENGTH} characters`);
  return text;
}

const cat: Operator = (args, compile) => {
  const each = operands(args, compile);
  return computed((data, run) => catOf(each.map((evaluate) => evaluate(data, run))));
};

/** A length below zero counts from the end. */
const substr: Operator = (args, compile) => {
  const [source, from, length] = operands([args[0] ?? null, args[1] ?? 0, args[2] ?? null], compile) as [
    Evaluate,
    Evaluate,
    Evaluate,
  ];
  return computed((data, run) => {
    const text = String(source(data, run));
    const start = Number(from(data, run));
    const wanted = length(data, run);
    const tail = text.slice(start);
    if (wanted === null) return tail;
    return tail.slice(0, Number(wanted));
  });
};

/** Null unless both are texts. */
function affix(
  args: readonly Json[],
  compile: Compiling,
  holds: (text: string, part: string) => boolean,
): Expression {
  const [a, b] = pair(args, compile);
  const [x, y] = [a.evaluate, b.evaluate];
  if (args.length !== 2) return testedOrNull(() => null);
  const part = b.literal?.value;
  if (typeof part === 'string') {
    return testedOrNull((data, run) => {
      const text = x(data, run);
      return typeof text === 'string' ? holds(text, part) : null;
    });
  }
  return testedOrNull((data, run) => {
    const [text, ending] = [x(data, run), y(data, run)];
    return typeof text === 'string' && typeof ending === 'string' ? holds(text, ending) : null;
  });
}

export const textOperators: Readonly<Record<string, Operator>> = {
  cat,
  substr,
  starts_with: (args, compile) => affix(args, compile, (text, part) => text.startsWith(part)),
  ends_with: (args, compile) => affix(args, compile, (text, part) => text.endsWith(part)),
  log: ([operand = null], compile) => compile.expression(operand),
};
