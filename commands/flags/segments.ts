/** The segments of an environment, as the shared evaluators that rules refer to. */
import type { When } from '../../schemas/flag-values.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { unportableIn } from './portable.ts';
import { whenLogic } from './when-logic.ts';

/** Segments in segments. */
export const MAX_SEGMENT_DEPTH = 5;

export interface Segments {
  /** By `segment:<key>`; no evaluator refers to another, for flagd follows no reference in one. */
  readonly evaluators: JsonObject;
  /** Throws `InvalidFlag` where there is no such segment. */
  reference(key: string): Json;
  unportable(key: string): readonly string[];
}

/** Throws `InvalidFlag` for segments that name one that is not there, go in a circle, or stand too deep. */
export function compileSegments(segments: ReadonlyMap<string, When>): Segments {
  const ruleOf = (key: string, within: readonly string[] = []): When => {
    const when = segments.get(key);
    const path = [...within, key];
    if (!when) throw new InvalidFlag(`there is no segment ${path.join(' → ')}`);
    if (within.includes(key)) throw new InvalidFlag(`segments go in a circle: ${path.join(' → ')}`);
    if (within.length > MAX_SEGMENT_DEPTH) {
      throw new InvalidFlag(`segments stand more than ${MAX_SEGMENT_DEPTH} deep: ${path.join(' → ')}`);
    }
    return when;
  };
  const logicOf = (key: string, within: readonly string[] = []): Json =>
    whenLogic(ruleOf(key, within), (inner) => logicOf(inner, [...within, key]));
  const unportable = (key: string, within: readonly string[] = []): readonly string[] =>
    unportableIn(ruleOf(key, within), (inner) => unportable(inner, [...within, key]));
  const nameOf = (key: string) => `segment:${key}`;
  return {
    evaluators: Object.fromEntries([...segments.keys()].map((key) => [nameOf(key), logicOf(key)])),
    reference(key) {
      ruleOf(key);
      return { $ref: nameOf(key) };
    },
    unportable: (key) => unportable(key),
  };
}
