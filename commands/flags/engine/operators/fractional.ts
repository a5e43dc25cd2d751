/**
 * `fractional`: deals keys out over buckets by weight, `flagd-v2`. [key, [answer, weight]…]; without a key
 * it is the flag's and the targeting key together. Null where the arguments are not of that form.
 */
import { isJsonObject, type Json } from '../../../../schemas/json.ts';
import { bucketOf, MAX_TOTAL_WEIGHT } from '../bucket.ts';
import {
  type Compiling,
  computed,
  type Evaluate,
  type Expression,
  literal,
  type Operator,
  type Run,
} from '../expression.ts';
import { hashPrefix, murmur3 } from '../murmur3.ts';

const NOTHING = literal(null);

export const fractional: Operator = (args, compile) => {
  const [first, ...others] = args;
  if (first === undefined) return NOTHING;
  if (!Array.isArray(first)) {
    const deal = dealer(others, compile);
    return deal ? byKey(first, deal, compile) : NOTHING;
  }
  const deal = dealer(args, compile);
  if (!deal) return NOTHING;
  const prefix = hashPrefix(compile.flagKey);
  return computed((data, run) => {
    const { targetingKey } = run.context;
    // Inside a list there is no context, and so no key.
    if (!targetingKey || data !== run.context) return null;
    return deal(murmur3(String(targetingKey), prefix), data, run);
  });
};

type Deal = (hash: number, data: unknown, run: Run) => unknown;

/** By the hash of what the first argument says: a text, or nobody is dealt anything. */
function byKey(rule: Json, deal: Deal, compile: Compiling): Expression {
  const seeded = seededKey(rule, compile);
  if (seeded) {
    const prefix = hashPrefix(seeded.seed);
    const { evaluate } = seeded.key;
    return computed((data, run) => {
      const key = evaluate(data, run);
      return deal(murmur3(typeof key === 'string' ? key : [key].join(''), prefix), data, run);
    });
  }
  const { evaluate } = compile.expression(rule);
  return computed((data, run) => {
    const key = evaluate(data, run);
    return typeof key === 'string' ? deal(murmur3(key), data, run) : null;
  });
}

/** `{"cat": [seed, key]}`: what is the same for everybody is hashed once. */
function seededKey(rule: Json, compile: Compiling): { seed: string; key: Expression } | null {
  if (!isJsonObject(rule) || Object.keys(rule).join() !== 'cat') return null;
  const parts = rule.cat;
  if (!Array.isArray(parts) || parts.length !== 2) return null;
  const seed = compile.expression(parts[0]!).literal?.value;
  return typeof seed === 'string' ? { seed, key: compile.expression(parts[1]!) } : null;
}

/** Null: the buckets are none, whatever the context. */
function dealer(buckets: readonly Json[], compile: Compiling): Deal | null {
  const answers: Expression[] = [];
  const weights: Expression[] = [];
  for (const bucket of buckets) {
    if (!Array.isArray(bucket) || bucket.length < 1 || bucket.length > 2) return null;
    answers.push(compile.expression(bucket[0]!));
    weights.push(bucket.length === 2 ? compile.expression(bucket[1]!) : literal(1));
  }
  if ([...answers, ...weights].every((part) => part.literal)) {
    return fixed(
      answers.map((part) => part.literal!.value),
      weights.map((part) => part.literal!.value),
    );
  }
  const [answerOf, weightOf] = [answers.map(evaluateOf), weights.map(evaluateOf)];
  return (hash, data, run) => {
    const deal = fixed(
      answerOf.map((evaluate) => evaluate(data, run)),
      weightOf.map((evaluate) => evaluate(data, run)),
    );
    return deal === null ? null : deal(hash, data, run);
  };
}

const evaluateOf = ({ evaluate }: Expression): Evaluate => evaluate;

function fixed(answers: readonly unknown[], weights: readonly unknown[]): Deal | null {
  const ends: number[] = [];
  let total = 0;
  for (const weight of weights) {
    if (typeof weight !== 'number' || !Number.isInteger(weight)) return null;
    // Below zero is what a calculation of what is left over may come to.
    total += Math.max(0, weight);
    ends.push(total);
  }
  if (total > MAX_TOTAL_WEIGHT || !answers.every(isAnswer)) return null;
  return (hash) => {
    const bucket = bucketOf(hash, total);
    for (let i = 0; i < ends.length; i++) {
      if (bucket < ends[i]!) return answers[i];
    }
    return null;
  };
}

function isAnswer(answer: unknown): boolean {
  return answer === null || ['string', 'number', 'boolean'].includes(typeof answer);
}
