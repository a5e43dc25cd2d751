/** `var`, `missing`, `missing_some`: reading the context. */
import type { Json } from '../../../../schemas/json.ts';
import {
  type Compiling,
  computed,
  type Evaluate,
  type Expression,
  literal,
  type Operator,
  operands,
} from '../expression.ts';

const INJECTED = '$flagd';

const variable: Operator = ([name = null, otherwise = null], compile) => {
  const path = compile.expression(name);
  const fallback = compile.expression(otherwise).evaluate;
  if (path.literal) return readerOf(path.literal.value, otherwise === null ? null : fallback, compile);
  return computed((data, run) => read(data, keysOf(path.evaluate(data, run))) ?? fallback(data, run));
};

function readerOf(path: unknown, fallback: Evaluate | null, compile: Compiling): Expression {
  if (path === null || path === '' || (Array.isArray(path) && path.length === 0)) {
    return computed((data) => data);
  }
  const keys = keysOf(path);
  if (compile.atRoot && keys[0] === INJECTED) return injected(keys.slice(1), compile);
  const [name] = keys as [string];
  // Nothing that every object has may look like an attribute.
  if (compile.atRoot && keys.length === 1 && !(name in Object.prototype)) {
    if (fallback === null) {
      return { attribute: name, evaluate: (data) => (data as Record<string, unknown>)[name] ?? null };
    }
    return computed((data, run) => (data as Record<string, unknown>)[name] ?? fallback(data, run));
  }
  return computed((data, run) => read(data, keys) ?? fallback?.(data, run) ?? null);
}

/** `$flagd.flagKey` and `$flagd.timestamp`; what a context says of `$flagd` does not count. */
function injected(keys: readonly string[], compile: Compiling): Expression {
  const { flagKey } = compile;
  if (keys.length === 1 && keys[0] === 'flagKey') return literal(flagKey);
  if (keys.length > 0 && keys[0] !== 'timestamp') return literal(null);
  compile.readsClock();
  if (keys.length === 0) return computed((_, run) => ({ flagKey, timestamp: run.nowSeconds }));
  return keys.length === 1 ? computed((_, run) => run.nowSeconds) : literal(null);
}

/** `a.b` is b of a; `a\.b` is the attribute of that name. */
function keysOf(path: unknown): readonly string[] {
  const text = String(path ?? '');
  if (text === '') return [];
  if (!text.includes('\\')) return text.split('.');
  return text.split(/(?<!\\)\./).map((key) => key.replaceAll('\\.', '.'));
}

function read(data: unknown, keys: readonly string[]): unknown {
  let at = data;
  for (const key of keys) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return null;
    at = (at as Record<string, unknown>)[key];
  }
  return at ?? null;
}

const missingOf = (data: unknown, keys: readonly unknown[]): readonly unknown[] =>
  keys.filter((key) => {
    const found = read(data, keysOf(key));
    return found === null || found === '';
  });

function missing(args: readonly Json[], compile: Compiling): Expression {
  const each = operands(args, compile);
  return computed((data, run) => {
    const given = each.map((evaluate) => evaluate(data, run));
    // The answer of another operator comes as one list.
    return missingOf(data, Array.isArray(given[0]) ? given[0] : given);
  });
}

function missingSome(args: readonly Json[], compile: Compiling): Expression {
  const [need, of] = operands([args[0] ?? null, args[1] ?? null], compile) as [Evaluate, Evaluate];
  return computed((data, run) => {
    const keys = of(data, run);
    if (!Array.isArray(keys)) return [];
    const absent = missingOf(data, keys);
    return keys.length - absent.length >= Number(need(data, run)) ? [] : absent;
  });
}

export const dataOperators: Readonly<Record<string, Operator>> = {
  var: variable,
  missing,
  missing_some: missingSome,
};
