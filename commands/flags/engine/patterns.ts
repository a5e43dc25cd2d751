/**
 * Patterns, compiled once. It is the compiling that costs: 1,000 characters take up to 60 ms, and the same
 * pattern is met again at every change, in every flag that refers to a segment, in every environment.
 */
import { RE2JS } from 're2js';
import { InvalidRule } from './expression.ts';

/** Up to 3 kB each, compiled. */
const MAX_CHARACTERS_KEPT = 50_000;
const MAX_PATTERNS_KEPT = 2_000;
/** Each costs 2 ms where case does not count, for every letter of it is looked up in every case. */
const MAX_WIDE_RANGES = 10;
const CASE_DOES_NOT_COUNT = /\(\?[A-Za-z]*i/;
const WIDE_RANGE = /-(?:\\x|[^\0-\x7f])/gu;

/** The one that was kept first goes first. */
const kept = new Map<string, RE2JS>();
let charactersKept = 0;

/** Throws `InvalidRule` for what is no pattern, and for one that would hold the process up. */
export function compilePattern(pattern: string): RE2JS {
  const known = kept.get(pattern);
  if (known) return known;
  if (CASE_DOES_NOT_COUNT.test(pattern) && (pattern.match(WIDE_RANGE)?.length ?? 0) > MAX_WIDE_RANGES) {
    throw new InvalidRule(
      `a pattern in which case does not count has at most ${MAX_WIDE_RANGES} ranges that go beyond ASCII`,
    );
  }
  try {
    const compiled = RE2JS.compile(pattern);
    keep(pattern, compiled);
    return compiled;
  } catch (error) {
    throw new InvalidRule(`the pattern ${JSON.stringify(pattern)} is none: ${(error as Error).message}`);
  }
}

function keep(pattern: string, compiled: RE2JS): void {
  kept.set(pattern, compiled);
  charactersKept += pattern.length;
  for (const [oldest] of kept) {
    if (charactersKept <= MAX_CHARACTERS_KEPT && kept.size <= MAX_PATTERNS_KEPT) return;
    kept.delete(oldest);
    charactersKept -= oldest.length;
  }
}
