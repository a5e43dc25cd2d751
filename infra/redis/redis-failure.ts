/** What a command of Redis fails with: never with its arguments, an address or a password in it. */

/**
 * - `away`: there is no connection that answers; nothing was sent.
 * - `late`: no answer within the deadline; it may have been carried out, or may be yet.
 * - `lost`: the connection broke before the answer; it may have been carried out.
 * - `busy`: too many commands wait for an answer; nothing was sent.
 * - `refused`: Redis answered with an error, whose code is in the message.
 */
export type RedisFailureKind = 'away' | 'late' | 'lost' | 'busy' | 'refused';

export class RedisFailure extends Error {
  override readonly name = 'RedisFailure';
  readonly kind: RedisFailureKind;

  constructor(kind: RedisFailureKind, command: string, why: string) {
    super(`redis ${command}: ${why}`);
    this.kind = kind;
  }
}

/** Errors of a server that will be able again: another try elsewhere or later may do. */
const PASSING = new Set([
  'LOADING',
  'CLUSTERDOWN',
  'READONLY',
  'MASTERDOWN',
  'TRYAGAIN',
  'BUSY',
  'OOM',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'MISCONF',
  // A server that is a node of a cluster: what lies elsewhere cannot be had from it.
  'MOVED',
  'ASK',
]);

/** What went wrong in words that give nothing away: ioredis puts arguments into its errors. */
export function failureOf(command: string, error: unknown): RedisFailure {
  if (error instanceof RedisFailure) return error;
  const { name, message, code } = error as { name?: string; message?: string; code?: string };
  if (name === 'ReplyError') return new RedisFailure('refused', command, replyCode(message ?? ''));
  if (message?.startsWith("Stream isn't writeable") || message?.startsWith("Cluster isn't ready")) {
    return new RedisFailure('away', command, 'not connected');
  }
  return new RedisFailure('lost', command, code ?? 'the connection was lost');
}

/**
 * `NOAUTH Authentication required.` → `NOAUTH`; of a script also which line, never with what. Redis 6 wraps
 * what a command in a script was refused with: `ERR Error running script (call to f_…): …: -READONLY …`.
 */
export function replyCode(message: string): string {
  const wrapped = /: -([A-Z]+) /.exec(message)?.[1];
  if (wrapped !== undefined && PASSING.has(wrapped)) return wrapped;
  const code = /^[A-Z][A-Z0-9_]*/.exec(message)?.[0] ?? 'ERR';
  const line = /user_script:(\d+)/.exec(message)?.[1];
  return line === undefined ? code : `${code} in line ${line} of the script`;
}

/** What an operator reads while it is not ready; `why`: the failure, or the code that it answered. */
export function redisProblem(partial: boolean, why: string): string {
  if (/\b(WRONGPASS|NOAUTH)\b/.test(why)) return 'Redis refuses the password: check REDIS_URL';
  if (/\bNOPERM\b/.test(why)) return 'Redis does not let this user do what is needed: check REDIS_URL';
  if (why.includes('REDIS_URL')) return `Redis cannot be used: ${why}`;
  if (partial) return 'a node of the Redis Cluster does not answer';
  return 'Redis does not answer: check REDIS_URL';
}

/** Whether the server, rather than the command, is what is wrong. */
export function isServerTrouble(failure: RedisFailure): boolean {
  if (failure.kind === 'late' || failure.kind === 'lost' || failure.kind === 'away') return true;
  return failure.kind === 'refused' && PASSING.has(/: ([A-Z]+)/.exec(failure.message)?.[1] ?? '');
}
