/** A flag's program as closures: what answers requests, and what tells why. */
import type { Rollout } from '../../schemas/flag-values.ts';
import { WHOLE } from '../../schemas/flag-values.ts';
import type { JsonObject } from '../../schemas/json.ts';
import { bucketOf } from './engine/bucket.ts';
import type { CompiledFlag, EvaluationContext } from './engine/compile-flag.ts';
import { compileLogic, logicBudget } from './engine/compile-logic.ts';
import { type Evaluate, type Run, truthy } from './engine/expression.ts';
import { hashPrefix, murmur3 } from './engine/murmur3.ts';
import { MAX_ITEMS } from './engine/operators/lists.ts';
import { type FlagMetadata, failed, type Reason, type Resolution } from './engine/resolution.ts';
import { type FlagProgram, gateSeed, type Step, splitSeed } from './flag-program.ts';

export interface Explanation extends Resolution {
  /** Every step that was looked at; the last one was served. Empty where the flag is off. */
  readonly trace: readonly {
    readonly part: Step['part'];
    readonly id: string | null;
    readonly holds: boolean;
  }[];
  /** Where the one who asks lies, if the step that was served deals out. */
  readonly bucket: Dealt | null;
}

export interface Dealt {
  readonly by: string;
  /** What is hashed; null: the context has no such attribute. */
  readonly key: string | null;
  /** Exposed is who lies below `exposure`. */
  readonly gate: { readonly bucket: number; readonly exposure: number } | null;
  /** Of the sum of the weights. */
  readonly split: { readonly bucket: number; readonly of: number } | null;
}

export interface CompiledProgram extends CompiledFlag {
  /** Compiling one takes about 1 µs. */
  readonly operators: number;
  /** What `evaluate` answers, and why. */
  explain(context: EvaluationContext, nowMs: number): Explanation;
}

interface CompiledStep {
  readonly step: Step;
  readonly holds: Evaluate;
  readonly serve: Evaluate;
  readonly answers: ReadonlyMap<unknown, Resolution>;
}

/** Throws `InvalidRule` for logic that cannot be compiled. */
export function compileProgram(
  program: FlagProgram,
  evaluators: JsonObject,
  metadata: FlagMetadata = {},
): CompiledProgram {
  const { key, steps, variants, offVariant, otherwise } = program;
  const flagMetadata = Object.freeze({ ...metadata });
  const answer = (variant: string, reason: Reason): Resolution =>
    Object.freeze({ value: variants[variant]!, variant, reason, flagMetadata });
  const rest: Resolution =
    otherwise === null ? Object.freeze({ reason: 'DEFAULT', flagMetadata }) : answer(otherwise, 'DEFAULT');
  const off = answer(offVariant, 'STATIC');
  let readsClock = false;
  const budget = logicBudget();
  const { operatorsLeft: allowed } = budget;
  const compiled = (logic: Step['when']): Evaluate => {
    const { evaluate, readsClock: reads } = compileLogic(logic, { flagKey: key, evaluators, budget });
    readsClock ||= reads;
    return evaluate;
  };
  const compiledSteps = steps.map((step): CompiledStep => {
    const reason = reasonOf(step, steps.length);
    const answers = new Map<unknown, Resolution>([[null, rest]]);
    for (const variant of Object.keys(variants)) answers.set(variant, answer(variant, reason));
    for (const truth of [true, false]) {
      if (Object.hasOwn(variants, `${truth}`)) answers.set(truth, answer(`${truth}`, reason));
    }
    return { step, holds: compiled(step.when), serve: compiled(step.serve), answers };
  });
  const served = (
    context: EvaluationContext,
    nowMs: number,
    looked?: (step: Step, holds: boolean) => void,
  ) => {
    const run: Run = { context, nowSeconds: Math.floor(nowMs / 1000), itemsLeft: MAX_ITEMS };
    try {
      for (const { step, holds, serve, answers } of compiledSteps) {
        const held = truthy(holds(context, run));
        looked?.(step, held);
        if (!held) continue;
        const variant = serve(context, run);
        return (
          answers.get(variant) ?? failed('GENERAL', `Flag '${key}' has no variant ${variant}.`, flagMetadata)
        );
      }
      return off;
    } catch (error) {
      return failed(
        'GENERAL',
        `The rules of flag '${key}' failed: ${(error as Error).message}`,
        flagMetadata,
      );
    }
  };
  return {
    key,
    readsClock,
    operators: allowed - budget.operatorsLeft,
    evaluate: (context, nowMs) => served(context, nowMs),
    explain(context, nowMs) {
      const trace: { part: Step['part']; id: string | null; holds: boolean }[] = [];
      let last: Step | null = null;
      const resolution = served(context, nowMs, (step, holds) => {
        trace.push({ part: step.part, id: step.id, holds });
        last = holds ? step : null;
      });
      const { rollout } = (last ?? {}) as Partial<Step>;
      return { ...resolution, trace, bucket: rollout ? dealt(rollout, program.seed, context) : null };
    },
  };
}

function reasonOf({ part, rollout }: Step, steps: number): Reason {
  if (rollout) return 'SPLIT';
  if (part === 'target' || part === 'rule') return 'TARGETING_MATCH';
  return part === 'fallthrough' && steps === 1 ? 'STATIC' : 'DEFAULT';
}

function dealt({ by, exposure, weights }: Rollout, seed: string, context: EvaluationContext): Dealt {
  const found = compileLogic({ var: by }, { flagKey: '' }).evaluate(context, {
    context,
    nowSeconds: 0,
    itemsLeft: 0,
  });
  if (!truthy(found)) return { by, key: null, gate: null, split: null };
  const key = [found].join('');
  const bucket = (of: string, total: number) => bucketOf(murmur3(key, hashPrefix(of)), total);
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  return {
    by,
    key,
    gate: { bucket: bucket(gateSeed(seed), WHOLE), exposure },
    split: { bucket: bucket(splitSeed(seed), total), of: total },
  };
}
