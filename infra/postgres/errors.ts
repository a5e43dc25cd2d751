/** Which errors of PostgreSQL and its driver may go away by themselves. */

/** Classes and codes of SQLSTATE (PostgreSQL manual, appendix A). */
const TRANSIENT = [
  '08', // connection exceptions
  '40', // serialization failure, deadlock
  '53', // out of memory, disk full, too many connections
  '55P03', // lock_timeout
  '57', // statement_timeout, shutdown, crash recovery, not yet accepting connections
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '58', // system errors outside PostgreSQL, e.g. of the disk
];

/** Whether trying the same again later can help. An error without SQLSTATE is the connection's. */
export function isTransient(error: unknown): boolean {
  const code = sqlState(error);
  if (code !== null) return TRANSIENT.some((prefix) => code.startsWith(prefix));
  if (isUnanswered(error)) return true;
  const { code: system, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof system === 'string' && /^E[A-Z]+$/.test(system)) return true;
  return (
    typeof message === 'string' &&
    /[Cc]onnection (terminated|ended)|timeout exceeded|not queryable/.test(message)
  );
}

/** The driver gave up waiting; what was asked may have been done, or may be yet. */
export function isUnanswered(error: unknown): boolean {
  return (error as Error | null)?.message === 'Query read timeout';
}

/** The five characters, or null where the server did not answer with an error. */
export function sqlState(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object)
    ? code
    : null;
}
