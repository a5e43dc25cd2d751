/** The segments of an environment, as the shared evaluators that rules refer to. */
import type { When } from '../../schemas/flag-values.ts';
import type { Json, JsonObject } from '../../schemas/json.ts';
import { InvalidFlag } from './invalid-flag.ts';
import { evaluatorOf, segmentsInLogic } from './named-segments.ts';
import { unportableIn } from './portable.ts';
import { whenLogic } from './when-logic.ts';

/** Segments in segments. */
export const MAX_SEGMENT_DEPTH = 5;
/** Of one segment as JSON, with the segments in it written out as often as they are named. */
export const MAX_SEGMENT_CHARACTERS = 500_000;

export interface Segments {
  /** By `segment:<key>`; no evaluator refers to another, for flagd follows no reference in one. */
  readonly evaluators: JsonObject;
  /** Throws `InvalidFlag` where there is no such segment. */
  reference(key: string): Json;
  unportable(key: string): readonly string[];
  /** As JSON, with the segments in it. */
  characters(key: string): number;
}

interface Written {
  readonly logic: Json;
  readonly unportable: readonly string[];
  /** Segments in it, one in the other. */
  readonly depth: number;
  readonly characters: number;
}

/**
 * Each is written once, however often others name it. Throws `InvalidFlag` for segments that name one that
 * is not there, go in a circle, stand too deep, or are too large with all that is in them.
 */
export function compileSegments(segments: ReadonlyMap<string, When>): Segments {
  const written = new Map<string, Written>();
  const write = (key: string, within: readonly string[] = []): Written => {
    const path = [...within, key];
    const known = written.get(key);
    const when = segments.get(key);
    if (!when) throw new InvalidFlag(`there is no segment ${path.join(' → ')}`);
    if (within.includes(key)) throw new InvalidFlag(`segments go in a circle: ${path.join(' → ')}`);
    if (within.length + (known?.depth ?? 0) > MAX_SEGMENT_DEPTH) {
      throw new InvalidFlag(`segments stand more than ${MAX_SEGMENT_DEPTH} deep: ${path.join(' → ')}`);
    }
    if (known) return known;
    let depth = 0;
    let characters = JSON.stringify(when).length;
    const take = (named: string): Json => {
      const inner = write(named, path);
      depth = Math.max(depth, inner.depth + 1);
      characters += inner.characters;
      if (characters > MAX_SEGMENT_CHARACTERS) {
        throw new InvalidFlag(
          `segment ${key} has more than ${MAX_SEGMENT_CHARACTERS} characters, with the segments in it`,
        );
      }
      return inner.logic;
    };
    const logic = whenLogic(when, take);
    // What imported logic refers to is compiled where it does.
    for (const named of segmentsInLogic(when)) take(named);
    const unportable = unportableIn(when, (named) => write(named, path).unportable);
    const done = { logic, unportable, depth, characters };
    written.set(key, done);
    return done;
  };
  return {
    evaluators: Object.fromEntries([...segments.keys()].map((key) => [evaluatorOf(key), write(key).logic])),
    reference(key) {
      write(key);
      return { $ref: evaluatorOf(key) };
    },
    unportable: (key) => write(key).unportable,
    characters: (key) => write(key).characters,
  };
}
