/**
 * An engine that does not answer, in one sentence with what to check. By the errors' names: verbs that go over
 * HTTP do without the engines' clients.
 */
import { brokerAway } from '../infra/kafka/broker-away.ts';
import { sqlState } from '../infra/postgres/errors.ts';

/** What says where an engine is: a setting, or an option of the verb. */
export interface EngineNames {
  readonly databaseSetting?: string | undefined;
  readonly logSetting?: string | undefined;
}

const MAX_CAUSES = 5;
/** Of gRPC: neither user nor password were accepted, or that user may not. */
const REFUSED = [7, 16];
/** No such user or database, no connection left, and a server that stops, starts or is gone. */
const AWAY_STATES = /^(?:28P01|3D000|53300|57P0\d|08...)$/;
const AWAY_CODES = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE'],
  ...['ENOTFOUND', 'EAI_AGAIN'],
];
const LOST = /[Cc]onnection terminated|timeout exceeded when trying to connect/;

/** Undefined: it is something else. Holds nothing of a connection string but hosts and ports. */
export function unreachable(error: unknown, names: EngineNames = {}): string | undefined {
  const { databaseSetting = 'DATABASE_URL', logSetting = 'EVENT_LOG_URL' } = names;
  const kafka = brokerAway(error);
  if (kafka) {
    const at = kafka.broker === null ? '' : ` at ${kafka.broker}`;
    const why = kafka.why === null ? '' : ` (${kafka.why})`;
    return `Kafka${at} does not answer${why}: check KAFKA_BROKERS.`;
  }
  for (let at = error, depth = 0; at instanceof Error && depth < MAX_CAUSES; at = at.cause, depth++) {
    if (at.name === 'NoAnswer') return unanswered(at, logSetting);
    if (at.name === 'EventStoreUnavailable') return eventStore(at, logSetting);
    const { code, syscall, kind } = at as { code?: unknown; syscall?: unknown; kind?: unknown };
    if (at.name === 'RedisFailure') {
      // What Redis refused is a defect of ours.
      if (kind === 'refused') return undefined;
      return `Redis does not answer (${at.message}): check REDIS_URL.`;
    }
    // A pipe that was closed is the terminal's affair.
    const system = AWAY_CODES.includes(String(code)) && syscall !== 'write';
    if (system || AWAY_STATES.test(sqlState(at) ?? '') || LOST.test(at.message)) {
      return `The database does not answer (${at.message || code}): check ${databaseSetting}.`;
    }
  }
  return undefined;
}

/** A wait that was given up begins with the engine's name. */
function unanswered(error: Error, logSetting: string): string {
  const { what } = error as { what?: string };
  if (what?.startsWith('Kafka')) return `Kafka does not answer (${error.message}): check KAFKA_BROKERS.`;
  if (what?.startsWith('EventStoreDB')) return eventStore(error, logSetting);
  return `There is ${error.message}: \`plinth settings\` says where each engine is.`;
}

function eventStore(error: Error, setting: string): string {
  const { server, code } = error as { server?: string | null; code?: number | null };
  const name = server ? `EventStoreDB at ${server}` : 'EventStoreDB';
  return REFUSED.includes(code ?? 0)
    ? `${name} refuses the user or the password: check ${setting}.`
    : `${name} does not answer: check ${setting}.`;
}
