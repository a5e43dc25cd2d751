/**
 * What an operator reads where an engine is away: which, and the setting that names it. No word of a client's
 * own, which may name hosts and says little.
 */
import { causesOf, type Engine, engineErrorOf, refusesLogin } from './engine-of.ts';
import { brokerErrorType } from './kafka/broker-error.ts';
import { isTransient, sqlState } from './postgres/errors.ts';

/** Null: it is no engine's. `embedded`: PostgreSQL is our own, and no setting names it. */
export function troubleOf(error: unknown, embedded = false): string | null {
  const found = engineErrorOf(error);
  if (found === null) return null;
  const { engine, setting, apart } = found;
  return troubleWith(engine, engine === 'PostgreSQL' && embedded && !apart ? null : setting, found.error);
}

/** @param setting that names the engine; null: it is the embedded one */
export function troubleWith(engine: Engine, setting: string | null, error: unknown): string {
  const what = setting === null ? `the embedded ${engine}` : engine;
  return `${what} ${reasonOf(engine, error)}${setting === null ? '' : `: check ${setting}`}`;
}

const NO_SUCH_HOST = /ENOTFOUND|EAI_AGAIN/;

function reasonOf(engine: Engine, error: unknown): string {
  if (causesOf(error).some(({ message }) => NO_SUCH_HOST.test(message))) return 'is at no host of this name';
  if (error instanceof Error && refusesLogin({ engine, error })) return 'refuses the user or the password';
  const type = error instanceof Error && error.name.startsWith('KafkaJS') ? brokerErrorType(error) : null;
  if (type !== null) return `refuses what it is asked (${type})`;
  const state = sqlState(error);
  if (state === '53300') return 'has no connection left';
  if (state === '57P03') return 'is starting';
  if (state !== null && !isTransient(error)) return `refuses what it is asked (SQLSTATE ${state})`;
  return 'does not answer';
}
