/** An engine that does not answer, in one sentence with what to check. */
import { causesOf, type EngineError, engineErrorOf, refusesLogin } from '../infra/engine-of.ts';
import { brokerAway } from '../infra/kafka/broker-away.ts';
import { sqlState } from '../infra/postgres/errors.ts';

/** What says where an engine is, when it is not the setting: an option of the verb. */
export interface EngineNames {
  readonly databaseSetting?: string | undefined;
  readonly logSetting?: string | undefined;
}

/** Undefined: it is something else. Holds nothing of a connection string but hosts and ports. */
export function unreachable(error: unknown, names: EngineNames = {}): string | undefined {
  const found = engineErrorOf(error);
  if (found === null) {
    const late = causesOf(error).find(({ name }) => name === 'NoAnswer');
    return late && `There is ${late.message}: \`plinth settings\` says where each engine is.`;
  }
  const away = AWAY[found.engine](found);
  if (away === undefined) return undefined;
  const { databaseSetting, logSetting } = names;
  const option = {
    PostgreSQL: databaseSetting,
    EventStoreDB: logSetting,
    Kafka: undefined,
    Redis: undefined,
  };
  return `${away}: check ${(found.apart ? undefined : option[found.engine]) ?? found.setting}.`;
}

/** Of each engine, how it is away; undefined: it answers, and what it says is a defect of ours. */
const AWAY: Readonly<Record<EngineError['engine'], (found: EngineError) => string | undefined>> = {
  Kafka({ error }) {
    if (error.name === 'NoAnswer') return `Kafka does not answer (${error.message})`;
    const kafka = brokerAway(error);
    if (kafka === null) return undefined;
    const at = kafka.broker === null ? '' : ` at ${kafka.broker}`;
    return `Kafka${at} does not answer${kafka.why === null ? '' : ` (${kafka.why})`}`;
  },
  EventStoreDB(found) {
    const { server } = found.error as { server?: string | null };
    const name = server ? `EventStoreDB at ${server}` : 'EventStoreDB';
    return `${name} ${refusesLogin(found) ? 'refuses the user or the password' : 'does not answer'}`;
  },
  Redis({ error }) {
    const { kind } = error as { kind?: unknown };
    return kind === 'refused' ? undefined : `Redis does not answer (${error.message})`;
  },
  PostgreSQL(found) {
    if (!isAway(found.error)) return undefined;
    const { message, code } = found.error as Error & { code?: unknown };
    return `The database does not answer (${message || code})`;
  },
};

/** No such user or database, no connection left, and a server that stops, starts or is gone. */
const AWAY_STATES = /^(?:28...|3D000|53300|57P0\d|08...)$/;
const AWAY_CODES = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE'],
  ...['ENOTFOUND', 'EAI_AGAIN'],
];

function isAway(error: Error): boolean {
  const state = sqlState(error);
  if (state !== null) return AWAY_STATES.test(state);
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  // Without a code it is the driver that has lost the connection. A pipe that was closed is the terminal's affair.
  return code === undefined || (AWAY_CODES.includes(String(code)) && syscall !== 'write');
}
