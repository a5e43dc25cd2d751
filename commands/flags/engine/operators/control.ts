/** `if`, `and`, `or`, `!`, `!!`: they evaluate no more than they need. */
import type { Json } from '../../../../schemas/json.ts';
import {
  type Compiling,
  computed,
  type Evaluate,
  type Expression,
  literal,
  type Operator,
  type Test,
  tested,
  truthy,
} from '../expression.ts';

const choose: Operator = (args, compile) => {
  const tests: Test[] = [];
  const results: Evaluate[] = [];
  for (let i = 0; i + 1 < args.length; i += 2) {
    tests.push(compile.test(args[i]!));
    results.push(compile.expression(args[i + 1]!).evaluate);
  }
  const otherwise = args.length % 2 === 1 ? compile.expression(args.at(-1)!) : literal(null);
  if (tests.length === 0) return otherwise;
  const last = otherwise.evaluate;
  const [onlyTest, onlyResult] = [tests[0]!, results[0]!];
  if (tests.length === 1) {
    return computed((data, run) => (onlyTest(data, run) ? onlyResult(data, run) : last(data, run)));
  }
  return computed((data, run) => {
    for (let i = 0; i < tests.length; i++) {
      if (tests[i]!(data, run)) return results[i]!(data, run);
    }
    return last(data, run);
  });
};

/** The first operand whose truth is `until`, or the last one. */
function firstOf(until: boolean, args: readonly Json[], compile: Compiling): Expression {
  const each = args.map((arg) => compile.expression(arg));
  if (each.length > 0 && each.every(({ isTest }) => isTest)) {
    const tests = each.map(({ evaluate }) => evaluate as Test);
    return {
      isTest: true,
      evaluate(data, run) {
        let found = false;
        for (let i = 0; i < tests.length; i++) {
          found = tests[i]!(data, run);
          if (Boolean(found) === until) break;
        }
        return found;
      },
    };
  }
  const evaluates = each.map(({ evaluate }) => evaluate);
  return computed((data, run) => {
    let found: unknown;
    for (let i = 0; i < evaluates.length; i++) {
      found = evaluates[i]!(data, run);
      if (truthy(found) === until) break;
    }
    return found;
  });
}

const not: Operator = ([operand], compile) => {
  const holds = compile.test(operand ?? null);
  return tested((data, run) => !holds(data, run));
};

const isTrue: Operator = ([operand], compile) => {
  const holds = compile.test(operand ?? null);
  return tested((data, run) => Boolean(holds(data, run)));
};

export const controlOperators: Readonly<Record<string, Operator>> = {
  if: choose,
  '?:': choose,
  and: (args, compile) => firstOf(false, args, compile),
  or: (args, compile) => firstOf(true, args, compile),
  '!': not,
  '!!': isTrue,
};
