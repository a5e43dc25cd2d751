/** An option of a verb whose value is JSON. */
import { InvalidArgumentError } from 'commander';

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It must be JSON.');
  }
}
