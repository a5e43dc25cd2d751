/** Kafka, as the platform uses it. */
import type { Clock } from '../../commands/clock.ts';
import type { Feed } from '../../projections/feed.ts';
import type { RelayTopics } from '../../workers/relay-topics.ts';
import { kafkaFeed } from './feed.ts';
import { type KafkaLogLine, kafkaClient } from './kafkajs.ts';
import { kafkaRelayTopics } from './relay-topics.ts';
import { topicsAdmin } from './topics-admin.ts';

export interface OpenKafkaOptions {
  readonly brokers: readonly string[];
  readonly prefix: string;
  /** Copies of each topic that is made. */
  readonly replicas: number;
  readonly clock: Clock;
  readonly onLog?: (line: KafkaLogLine) => void;
}

export interface OpenedKafka {
  /** A new one each time: it is one relay's. */
  relayTopics(): RelayTopics;
  readonly feed: Feed;
  /** Whether a broker answers; one question at a time, however many ask. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Connects with the first use. */
export function openKafka({ brokers, prefix, replicas, clock, onLog }: OpenKafkaOptions): OpenedKafka {
  const kafka = kafkaClient({ brokers, clientId: prefix, ...(onLog && { onLog }) });
  const admin = topicsAdmin({ kafka, prefix, replicas, clock });
  const feed = kafkaFeed({ kafka, prefix, admin, clock });
  let checking: Promise<void> | null = null;
  return {
    relayTopics: () => kafkaRelayTopics({ kafka, prefix, admin, clock }),
    feed,
    check() {
      checking ??= admin.check().finally(() => {
        checking = null;
      });
      return checking;
    },
    async close() {
      await feed.close();
      await admin.close();
    },
  };
}
