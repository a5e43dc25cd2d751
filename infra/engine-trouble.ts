/**
 * What an operator reads where an engine is away: which, and the setting that names it. No word of a client's
 * own, which may name hosts and says little.
 */
import { EventStoreUnavailable } from './event-log/eventstore/client.ts';
import { brokerErrorType } from './kafka/kafkajs.ts';
import { isTransient, sqlState } from './postgres/errors.ts';
import { RedisFailure } from './redis/redis-failure.ts';
import { NoAnswer } from './within.ts';

const SETTINGS = {
  Kafka: 'KAFKA_BROKERS',
  EventStoreDB: 'EVENT_LOG_URL',
  PostgreSQL: 'DATABASE_URL',
  Redis: 'REDIS_URL',
} as const;

export type Engine = keyof typeof SETTINGS;

/** An error may stand around the engine's own, and around another. */
const MAX_CAUSES = 5;

/** Null: it is no engine's. `embedded`: PostgreSQL is our own, and no setting names it. */
export function troubleOf(error: unknown, embedded = false): string | null {
  for (let [at, depth] = [error, 0]; at instanceof Error && depth < MAX_CAUSES; depth++) {
    const engine = engineOf(at);
    if (engine === 'PostgreSQL' && embedded) return troubleWith(engine, null, at);
    if (engine !== null) return troubleWith(engine, SETTINGS[engine], at);
    at = at.cause;
  }
  return null;
}

function engineOf(error: Error): Engine | null {
  if (error.name.startsWith('KafkaJS')) return 'Kafka';
  if (error instanceof EventStoreUnavailable) return 'EventStoreDB';
  if (error instanceof RedisFailure) return 'Redis';
  if (error instanceof NoAnswer) {
    const engines = Object.keys(SETTINGS) as Engine[];
    return engines.find((engine) => error.what.startsWith(engine)) ?? null;
  }
  return isTransient(error) || sqlState(error) !== null ? 'PostgreSQL' : null;
}

/** @param setting that names the engine; null: it is the embedded one */
export function troubleWith(engine: Engine, setting: string | null, error: unknown): string {
  const what = setting === null ? `the embedded ${engine}` : engine;
  return `${what} ${reasonOf(error)}${setting === null ? '' : `: check ${setting}`}`;
}

const NO_SUCH_HOST = /ENOTFOUND|EAI_AGAIN/;
/** Of gRPC: permission denied, and not authenticated. */
const REFUSED_STATUS = [7, 16];

function reasonOf(error: unknown): string {
  if (NO_SUCH_HOST.test(textOf(error))) return 'is at no host of this name';
  if (error instanceof EventStoreUnavailable && REFUSED_STATUS.includes(error.code ?? 0)) {
    return 'refuses the user or the password';
  }
  const type = error instanceof Error && error.name.startsWith('KafkaJS') ? brokerErrorType(error) : null;
  if (type !== null) return `refuses what it is asked (${type})`;
  const state = sqlState(error);
  if (state?.startsWith('28')) return 'refuses the user or the password';
  if (state === '53300') return 'has no connection left';
  if (state === '57P03') return 'is starting';
  if (state !== null && !isTransient(error)) return `refuses what it is asked (SQLSTATE ${state})`;
  return 'does not answer';
}

function textOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth >= MAX_CAUSES) return '';
  return `${error.message} ${textOf(error.cause, depth + 1)}`;
}
