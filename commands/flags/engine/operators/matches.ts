/**
 * `matches`: [text, pattern], a regular expression that may match anywhere. RE2's syntax, which runs in
 * linear time: a pattern of a person cannot hold the process up. Null unless the text is one.
 */
import { InvalidRule, type Operator, testedOrNull } from '../expression.ts';
import { compilePattern } from '../patterns.ts';

const MAX_PATTERN_LENGTH = 1_000;

export const matches: Operator = (args, compile) => {
  const pattern = args.length === 2 ? compile.expression(args[1]!).literal?.value : undefined;
  if (typeof pattern !== 'string' || pattern.length > MAX_PATTERN_LENGTH) {
    throw new InvalidRule(`matches takes a text and a pattern of at most ${MAX_PATTERN_LENGTH} characters`);
  }
  compile.spendPattern(pattern);
  const compiled = compilePattern(pattern);
  const text = compile.expression(args[0]!).evaluate;
  return testedOrNull((data, run) => {
    const given = text(data, run);
    return typeof given === 'string' ? compiled.matcher(given).find() : null;
  });
};
