/** Kafka, as the platform uses it. */
import type { Clock } from '../../commands/clock.ts';
import type { Feed } from '../../projections/feed.ts';
import type { RelayTopics } from '../../workers/relay-topics.ts';
import { within } from '../within.ts';
import { adminClient } from './admin-client.ts';
import { kafkaFeed } from './feed.ts';
import { type KafkaLogLine, kafkaClient } from './kafkajs.ts';
import { groupIdOf, groupProcesses } from './member-process.ts';
import { kafkaRelayTopics } from './relay-topics.ts';
import { topicsAdmin } from './topics-admin.ts';

const MEMBERS_TIMEOUT_MS = 5_000;

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
  /** The processes that are in a group of the feed. */
  members(group: string): Promise<readonly string[]>;
  /** Whether a broker answers; one question at a time, however many ask. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Connects with the first use. */
export function openKafka({ brokers, prefix, replicas, clock, onLog }: OpenKafkaOptions): OpenedKafka {
  const kafka = kafkaClient({ brokers, clientId: prefix, ...(onLog && { onLog }) });
  const admin = topicsAdmin({ kafka, prefix, replicas, clock });
  const feed = kafkaFeed({ kafka, prefix, admin, clock });
  const groups = adminClient(kafka);
  let checking: Promise<void> | null = null;
  return {
    relayTopics: () => kafkaRelayTopics({ kafka, prefix, admin, clock }),
    feed,
    members: (group) =>
      within(
        clock,
        MEMBERS_TIMEOUT_MS,
        'Kafka, reading who is in a consumer group',
        groups.get().then((one) => groupProcesses(one, groupIdOf(prefix, group))),
      ),
    check() {
      checking ??= admin.check().finally(() => {
        checking = null;
      });
      return checking;
    },
    async close() {
      await feed.close();
      await admin.close();
      await groups.close();
    },
  };
}
