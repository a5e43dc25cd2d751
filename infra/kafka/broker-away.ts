/** What the client of Kafka says when no broker answers. Loads nothing: the command line asks it of any error. */
import { causesOf } from '../engine-of.ts';

export interface BrokerAway {
  /** `host:port`; null: none was tried, or none is named. */
  readonly broker: string | null;
  readonly why: string | null;
}

const AWAY = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
]);

/** Null: the error is none of these. The client wraps it, once it has tried often enough. */
export function brokerAway(error: unknown): BrokerAway | null {
  for (const at of causesOf(error)) {
    if (!AWAY.has(at.name)) continue;
    const { broker, code, message } = at as { broker?: unknown; code?: unknown; message: string };
    return {
      broker: typeof broker === 'string' ? broker : null,
      why: typeof code === 'string' ? code : message || null,
    };
  }
  return null;
}
