/** What a broker answered that refuses. Loads nothing: the command line asks it of any error. */

/** The type of a broker's error, down the chain of its causes; null: it is none. */
export function brokerErrorType(error: unknown): string | null {
  for (let at = error, depth = 0; at && depth < 5; depth++) {
    const { type, cause, originalError } = at as Record<string, unknown>;
    if (typeof type === 'string') return type;
    at = cause ?? originalError;
  }
  return null;
}
