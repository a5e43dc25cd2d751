/**
 * A flag of one environment as steps, tried in order: prerequisites, targets, rules, and what is left. From
 * the same steps come what this process evaluates, what explains an answer, and what flagd is given.
 */
import {
  type Fallthrough,
  type FlagSettings,
  type Rollout,
  type Serve,
  type Variants,
  WHOLE,
} from '../../schemas/flag-values.ts';
import type { Json } from '../../schemas/json.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { unportableIn } from './portable.ts';
import type { Segments } from './segments.ts';
import { whenLogic } from './when-logic.ts';

/** Prerequisites of prerequisites. */
export const MAX_PREREQUISITE_DEPTH = 5;
/** Of a flag's settings as JSON, with those of its prerequisites as often as they are required. */
export const MAX_PROGRAM_CHARACTERS = 1_000_000;

export interface FlagInEnvironment {
  readonly key: string;
  readonly variants: Variants;
  /** Minted for the flag, and carried along by copies: it decides who is in which bucket. */
  readonly seed: string;
  readonly settings: FlagSettings;
}

export interface Step {
  readonly part: 'prerequisite' | 'target' | 'rule' | 'fallthrough';
  /** The flag, variant or rule that it is about; null: what is left. */
  readonly id: string | null;
  /** JsonLogic; `true` always holds. */
  readonly when: Json;
  /** JsonLogic that names a variant; null: the default in the code. */
  readonly serve: Json;
  /** What `serve` deals out by. */
  readonly rollout?: Rollout;
}

export interface FlagProgram {
  readonly key: string;
  readonly variants: Variants;
  readonly seed: string;
  readonly offVariant: string;
  /** Whom a step's logic names no variant for; null: the default in the code counts. */
  readonly otherwise: string | null;
  /** Off or killed: none, and everybody gets the off variant. */
  readonly steps: readonly Step[];
  /** What flagd would not evaluate alike, in it and in what it requires. */
  readonly unportable: readonly string[];
  /** Prerequisites in it, one in the other. */
  readonly depth: number;
  /** With its prerequisites, as often as they are in it. */
  readonly characters: number;
}

/** What flags of an environment may refer to. */
export interface FlagsAround {
  flag(key: string): FlagInEnvironment | undefined;
  readonly segments: Segments;
}

/** Programs of flags that others require: each is made once for all of them. */
const required = new WeakMap<FlagsAround, Map<string, FlagProgram>>();

function requiredProgram(
  flag: FlagInEnvironment,
  around: FlagsAround,
  within: readonly string[],
): FlagProgram {
  const made = required.get(around) ?? new Map<string, FlagProgram>();
  required.set(around, made);
  const known = made.get(flag.key);
  if (known) {
    checkDepth([...within, flag.key], known.depth);
    return known;
  }
  const program = flagProgram(flag, around, within);
  made.set(flag.key, program);
  return program;
}

function checkDepth(path: readonly string[], below: number): void {
  if (path.length - 1 + below <= MAX_PREREQUISITE_DEPTH) return;
  throw new InvalidFlag(
    `its prerequisites stand more than ${MAX_PREREQUISITE_DEPTH} deep: ${path.join(' → ')}`,
  );
}

/**
 * Throws `InvalidFlag` for prerequisites and segments that are not there, ones in a circle or too deep, and
 * more of them than are compiled. `around` is of one state: what was made of it once is not made again.
 */
export function flagProgram(
  flag: FlagInEnvironment,
  around: FlagsAround,
  within: readonly string[] = [],
): FlagProgram {
  const { key, variants, seed, settings } = flag;
  const { mode, offVariant, fallthrough } = settings;
  const serving = (serve: Serve) => serveLogic(serve, seed, offVariant);
  const path = [...within, key];
  if (within.includes(key)) throw new InvalidFlag(`its prerequisites go in a circle: ${path.join(' → ')}`);
  checkDepth(path, 0);
  const unportable = new Set<string>();
  let depth = 0;
  let characters = JSON.stringify(settings).length;
  const prerequisites = settings.prerequisites.map(({ flag: name, variants: wanted }): Step => {
    const other = around.flag(name);
    if (!other) throw new InvalidFlag(`its prerequisite ${name} is no flag`);
    const program = requiredProgram(other, around, path);
    depth = Math.max(depth, program.depth + 1);
    characters += program.characters;
    if (characters > MAX_PROGRAM_CHARACTERS) {
      throw new InvalidFlag(
        `it and its prerequisites have more than ${MAX_PROGRAM_CHARACTERS} characters as JSON`,
      );
    }
    for (const what of program.unportable) unportable.add(what);
    const met: Json = { in: [programLogic(program), answersThatName(wanted, other, program)] };
    // A list that holds more than texts is not searched alike everywhere.
    if ('logic' in other.settings.fallthrough) unportable.add('logic');
    return { part: 'prerequisite', id: name, when: { '!': [met] }, serve: offVariant };
  });
  const rules = settings.rules.map(({ id, when, serve }): Step => {
    for (const what of unportableIn(when, around.segments.unportable)) unportable.add(what);
    const logic = whenLogic(when, around.segments.reference);
    return { part: 'rule', id, when: logic, ...serving(serve) };
  });
  const otherwise = 'logic' in fallthrough ? fallthrough.otherwise : null;
  const program = { key, variants, seed, offVariant, otherwise, depth, characters };
  if (mode !== 'on') return { ...program, steps: [], unportable: [] };
  if ('logic' in fallthrough) {
    for (const what of unportableIn(fallthrough, around.segments.unportable)) unportable.add(what);
  }
  return {
    ...program,
    unportable: [...unportable],
    steps: [
      ...prerequisites,
      ...settings.targets.map(
        ({ variant, keys }): Step => ({
          part: 'target',
          id: variant,
          when: { in: [{ var: 'targetingKey' }, keys] },
          serve: variant,
        }),
      ),
      ...rules,
      {
        part: 'fallthrough',
        id: null,
        when: true,
        ...serveRest(fallthrough, serving),
      },
    ],
  };
}

/** One expression that names a variant; null: `otherwise`. */
export function programLogic({ steps, offVariant }: FlagProgram): Json {
  if (steps.length === 0) return offVariant;
  const last = steps.at(-1)!;
  if (steps.length === 1) return last.serve;
  return { if: [...steps.slice(0, -1).flatMap(({ when, serve }) => [when, serve]), last.serve] };
}

/** Imported logic may answer true or false, which are variants of that name, and nothing, which is `otherwise`. */
function answersThatName(
  wanted: readonly string[],
  { settings }: FlagInEnvironment,
  { otherwise }: FlagProgram,
): readonly Json[] {
  if (!('logic' in settings.fallthrough)) return wanted;
  return wanted.flatMap((variant): Json[] => [
    variant,
    ...(variant === 'true' || variant === 'false' ? [variant === 'true'] : []),
    ...(variant === otherwise ? [null] : []),
  ]);
}

function serveRest(
  fallthrough: Fallthrough,
  serving: (serve: Serve) => Pick<Step, 'serve' | 'rollout'>,
): Pick<Step, 'serve' | 'rollout'> {
  if ('codeDefault' in fallthrough) return { serve: null };
  return 'logic' in fallthrough ? { serve: fallthrough.logic } : serving(fallthrough);
}

function serveLogic(serve: Serve, seed: string, offVariant: string): Pick<Step, 'serve' | 'rollout'> {
  if ('variant' in serve) return { serve: serve.variant };
  const { rollout } = serve;
  const by: Json = { var: rollout.by };
  const split = splitLogic(rollout, seed, by);
  const exposed = gateLogic(rollout, seed, by);
  const dealt: Json = exposed === true ? split : { if: [exposed, split, offVariant] };
  // Who has no such attribute would all be in one bucket.
  return { serve: exposed === false ? offVariant : { if: [{ '!!': [by] }, dealt, offVariant] }, rollout };
}

export const gateSeed = (seed: string): string => `${seed}/gate`;
export const splitSeed = (seed: string): string => `${seed}/split`;

/** Whether somebody is exposed. The two seeds differ: with one, who is exposed would all be in one part of the split. */
function gateLogic({ exposure }: Rollout, seed: string, by: Json): Json {
  if (exposure === 0 || exposure === WHOLE) return exposure === WHOLE;
  const dealt: Json = {
    fractional: [{ cat: [gateSeed(seed), by] }, ['in', exposure], ['out', WHOLE - exposure]],
  };
  return { '===': [dealt, 'in'] };
}

function splitLogic({ weights }: Rollout, seed: string, by: Json): Json {
  if (weights.length === 1) return weights[0]!.variant;
  return {
    fractional: [{ cat: [splitSeed(seed), by] }, ...weights.map(({ variant, weight }) => [variant, weight])],
  };
}
