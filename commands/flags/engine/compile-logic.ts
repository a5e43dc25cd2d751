/** Compiles JsonLogic: https://jsonlogic.com/operations.html, and flagd's operators. */
import { isJsonObject, type Json, type JsonObject } from '../../../schemas/json.ts';
import {
  type Compiling,
  computed,
  type Expression,
  InvalidRule,
  literal,
  type Test,
  truthy,
} from './expression.ts';
import { operators } from './operators/all-operators.ts';

/** Operators inside operators. */
const MAX_DEPTH = 64;
/** Of one flag, its shared evaluators counted where they are used. */
const MAX_OPERATORS = 10_000;
/** Of one flag, each pattern once. */
const MAX_PATTERN_CHARACTERS_OF_FLAG = 5_000;

/** What one flag may still take, whichever of its rules takes it. */
export interface LogicBudget {
  operatorsLeft: number;
  patternCharactersLeft: number;
  readonly patterns: Set<string>;
}

export const logicBudget = (): LogicBudget => ({
  operatorsLeft: MAX_OPERATORS,
  patternCharactersLeft: MAX_PATTERN_CHARACTERS_OF_FLAG,
  patterns: new Set(),
});

export interface CompileOptions {
  readonly flagKey: string;
  /** Rules that others name by `{"$ref": …}`. */
  readonly evaluators?: JsonObject;
  /** Shared by the rules of a flag; left out: one for this rule alone. */
  readonly budget?: LogicBudget;
}

export interface CompiledLogic extends Expression {
  /** Its answer may change with time alone. */
  readonly readsClock: boolean;
}

/** Throws `InvalidRule` for an operator that is not known, a reference to nothing or itself, and one too large. */
export function compileLogic(
  rule: Json,
  { flagKey, evaluators = {}, budget = logicBudget() }: CompileOptions,
): CompiledLogic {
  let readsClock = false;
  const scope = (atRoot: boolean, depth: number, within: readonly string[]): Compiling => {
    const inner = (names = within): Compiling => scope(atRoot, depth + 1, names);
    const ofOperator = (logic: JsonObject): Expression => {
      const [name] = Object.keys(logic) as [string];
      budget.operatorsLeft -= 1;
      if (budget.operatorsLeft < 0) throw new InvalidRule(`it has more than ${MAX_OPERATORS} operators`);
      if (depth >= MAX_DEPTH) throw new InvalidRule(`operators stand more than ${MAX_DEPTH} deep`);
      const given = logic[name]!;
      if (name === '$ref') {
        if (typeof given !== 'string' || !Object.hasOwn(evaluators, given)) {
          throw new InvalidRule(`$ref names ${JSON.stringify(given)}, which is no shared evaluator`);
        }
        if (within.includes(given)) throw new InvalidRule(`the evaluator ${given} refers to itself`);
        return inner([...within, given]).expression(evaluators[given]!);
      }
      const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
      if (!operator) throw new InvalidRule(`there is no operator ${JSON.stringify(name)}`);
      return operator(Array.isArray(given) ? given : [given], inner());
    };
    const expression = (logic: Json): Expression => {
      if (Array.isArray(logic)) return listOf(logic.map(expression));
      // What has no key or several is data.
      return isJsonObject(logic) && Object.keys(logic).length === 1 ? ofOperator(logic) : literal(logic);
    };
    return {
      flagKey,
      atRoot,
      expression,
      test: (logic) => testOf(expression(logic)),
      ofItem: (logic) => scope(false, depth, within).expression(logic),
      readsClock() {
        readsClock = true;
      },
      spendPattern: (pattern) => spendPattern(budget, pattern),
    };
  };
  const compiled = scope(true, 0, []).expression(rule);
  return { ...compiled, readsClock };
}

function spendPattern(budget: LogicBudget, pattern: string): void {
  if (budget.patterns.has(pattern)) return;
  budget.patterns.add(pattern);
  budget.patternCharactersLeft -= pattern.length;
  if (budget.patternCharactersLeft >= 0) return;
  throw new InvalidRule(
    `its patterns have more than ${MAX_PATTERN_CHARACTERS_OF_FLAG} characters, all of the flag together`,
  );
}

function testOf({ evaluate, literal: said, isTest }: Expression): Test {
  if (said) {
    const holds = truthy(said.value);
    return () => holds;
  }
  return isTest ? (evaluate as Test) : (data, run) => truthy(evaluate(data, run));
}

function listOf(items: readonly Expression[]): Expression {
  if (items.every((item) => item.literal))
    return literal(Object.freeze(items.map((item) => item.literal!.value)));
  const each = items.map((item) => item.evaluate);
  return computed((data, run) => each.map((evaluate) => evaluate(data, run)));
}
