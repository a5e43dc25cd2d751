/** Says when Kafka cannot be reached, and when it can again: a relay that stands by asks it nothing by itself. */
import type { Clock } from '../../commands/clock.ts';
import { troubleWith } from '../engine-trouble.ts';
import type { Log } from '../telemetry/log.ts';
import { within } from '../within.ts';

const LOOK_EVERY_MS = 5_000;
const LOOK_TIMEOUT_MS = 10_000;
/** What has answered before must fail this often in a row: one lost packet is no outage. */
const FAILURES_TO_SAY = 2;

export interface KafkaWatch {
  /** When last looked; false: it has never answered. */
  answers(): boolean;
  stop(): void;
}

export interface KafkaWatchOptions {
  readonly check: () => Promise<void>;
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

export function kafkaWatch({ check, brokers, clock, log }: KafkaWatchOptions): KafkaWatch {
  const ended = new AbortController();
  const { signal } = ended;
  let answers = false;
  let said: 'nothing' | 'there' | 'away' = 'nothing';
  let failures = 0;
  const look = async (): Promise<void> => {
    const failure = await within(clock, LOOK_TIMEOUT_MS, 'Kafka, a look at it', check()).then(
      () => null,
      (error: unknown) => ({ error }),
    );
    if (signal.aborted) return;
    answers = failure === null;
    failures = failure === null ? 0 : failures + 1;
    if (failure === null) {
      if (said === 'there') return;
      said = 'there';
      log.info({ component: 'kafka' }, 'Kafka is there');
    } else if (said === 'nothing' || (said === 'there' && failures >= FAILURES_TO_SAY)) {
      said = 'away';
      log.warn(
        { component: 'kafka', problem: troubleWith('Kafka', 'KAFKA_BROKERS', failure.error) },
        `Kafka at ${brokers.join(', ')} does not answer: it tries again; check KAFKA_BROKERS`,
      );
    }
  };
  const run = async () => {
    while (!signal.aborted) {
      await look();
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  };
  void run();
  return { answers: () => answers, stop: () => ended.abort() };
}
