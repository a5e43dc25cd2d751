/**
 * Which engine an error is of, and the setting that names that engine. By the names of errors: nothing here loads
 * a client, so the command line may ask of any error.
 */
import { isTransient, sqlState } from './postgres/errors.ts';

const SETTINGS = {
  Kafka: 'KAFKA_BROKERS',
  EventStoreDB: 'EVENT_LOG_URL',
  PostgreSQL: 'DATABASE_URL',
  Redis: 'REDIS_URL',
} as const;

export type Engine = keyof typeof SETTINGS;
const ENGINES = Object.keys(SETTINGS) as Engine[];

/** An error may stand around the engine's own, and around another. */
const MAX_CAUSES = 5;

/** The error, and those that it stands around, the outermost first. */
export function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && causes.length < MAX_CAUSES; at = at.cause) causes.push(at);
  return causes;
}

export interface EngineError {
  readonly engine: Engine;
  /** The engine's own, without what stands around it. */
  readonly error: Error;
  /** What names the engine. */
  readonly setting: string;
  /** There are several of the kind, and this one has a setting of its own. */
  readonly apart: boolean;
}

/** Null: it is no engine's. */
export function engineErrorOf(error: unknown): EngineError | null {
  for (const at of causesOf(error)) {
    const engine = engineOf(at);
    if (engine === null) continue;
    const own = namedBy.get(at);
    return { engine, error: at, setting: own ?? SETTINGS[engine], apart: own !== undefined };
  }
  return null;
}

function engineOf(error: Error): Engine | null {
  if (error.name.startsWith('KafkaJS')) return 'Kafka';
  if (error.name === 'EventStoreUnavailable') return 'EventStoreDB';
  if (error.name === 'RedisFailure') return 'Redis';
  if (error.name === 'NoAnswer') {
    // A wait that was given up begins with the engine's name.
    const { what } = error as { what?: string };
    return ENGINES.find((engine) => what?.startsWith(engine)) ?? null;
  }
  return isTransient(error) || sqlState(error) !== null ? 'PostgreSQL' : null;
}

const namedBy = new WeakMap<Error, string>();

/** Notes that the error is of the engine which this setting names, where there are several of a kind. */
export function ofSetting(error: unknown, setting: string): unknown {
  if (error instanceof Error) namedBy.set(error, setting);
  return error;
}

/** Of gRPC: permission denied, and not authenticated. */
const REFUSED_STATUS: readonly unknown[] = [7, 16];

/** Who logs in is not let in. */
export function refusesLogin({ engine, error }: Pick<EngineError, 'engine' | 'error'>): boolean {
  if (engine === 'EventStoreDB') return REFUSED_STATUS.includes((error as { code?: unknown }).code);
  return engine === 'PostgreSQL' && sqlState(error)?.startsWith('28') === true;
}
