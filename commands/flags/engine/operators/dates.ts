/** `before` and `after`: [instant, instant], each ISO 8601 with a zone, or seconds since 1970. Null otherwise. */
import { type Evaluate, type Operator, operands, testedOrNull } from '../expression.ts';

const INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;

/** Milliseconds since 1970, or null. A date alone is its first moment in UTC. */
function instantOf(value: unknown): number | null {
  if (typeof value === 'number') return value * 1000;
  if (typeof value !== 'string' || !INSTANT.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}

function compared(holds: (a: number, b: number) => boolean): Operator {
  return (args, compile) => {
    if (args.length !== 2) return testedOrNull(() => null);
    const [x, y] = operands(args, compile) as [Evaluate, Evaluate];
    return testedOrNull((data, run) => {
      const [a, b] = [instantOf(x(data, run)), instantOf(y(data, run))];
      return a === null || b === null ? null : holds(a, b);
    });
  };
}

export const dateOperators: Readonly<Record<string, Operator>> = {
  before: compared((a, b) => a < b),
  after: compared((a, b) => a > b),
};
