/** The role that carries the log to Kafka: as many processes as wanted, of which one works. */
import { type Relay, type RelayHealth, relay } from '../../workers/relay.ts';
import { postgresRelayLease } from '../postgres/relay-lease.ts';
import type { Log } from '../telemetry/log.ts';
import type { Engines } from './engines.ts';
import { problemOf } from './problem-of.ts';
import { tellRelay } from './tell-relay.ts';

export interface RelayRole {
  health(): RelayHealth;
  stop(): Promise<void>;
}

/** Throws where no Kafka is set. */
export async function startRelay(
  engines: Engines,
  log: Log,
  kafkaAnswers: () => boolean = () => true,
): Promise<RelayRole> {
  const { kafka, settings, clock, pool, holder } = engines;
  if (kafka === null) throw new Error('The relay carries the log to Kafka: set KAFKA_BROKERS.');
  const stop = new AbortController();
  const topics = kafka.relayTopics();
  const teller = tellRelay(log, clock, kafkaAnswers);
  const started: Relay = relay(
    {
      log: engines.log,
      topics,
      lease: await postgresRelayLease(pool, settings.kafkaTopicPrefix, holder),
      clock,
    },
    {
      signal: stop.signal,
      partitions: settings.kafkaPartitions,
      changed: teller.changed,
      began: teller.began,
      problemOf: problemOf(settings),
    },
  );
  const running = started.run();
  return {
    health: () => started.health(),
    async stop() {
      stop.abort();
      await running;
      teller.stop();
      await topics.close();
    },
  };
}
