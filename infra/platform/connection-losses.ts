/** What is logged of connections that were lost. Those that this process ends itself are no news. */
import { troubleOf } from '../engine-trouble.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

const SENTENCES = {
  postgres: 'a connection to the database was lost; it is made anew',
  log: 'the connection to the event log was lost; it is made anew',
} as const;
const NOTICES = { postgres: 'database_connection_lost', log: 'log_connection_lost' } as const;

export interface ConnectionLosses {
  tell(component: keyof typeof SENTENCES, error: Error): void;
  /** A server that ends with us may end what is still open. */
  stop(): void;
}

export function connectionLosses(log: Log, metrics?: Pick<Metrics, 'noticed'>): ConnectionLosses {
  let ending = false;
  return {
    tell(component, error) {
      const { code } = error as { code?: unknown };
      const problem = `${error.name}: ${error.message}`;
      const fields = { component, problem, ...(typeof code === 'string' && { code }) };
      if (ending) return log.debug(fields, 'a connection ended');
      metrics?.noticed(NOTICES[component]);
      // What an engine that is away says is known; where anything else comes from is not.
      const known = troubleOf(error) !== null || error.message === 'the connection ended';
      log.warn(known ? fields : { component, err: error }, SENTENCES[component]);
    },
    stop() {
      ending = true;
    },
  };
}
