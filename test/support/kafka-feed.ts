/** The feed over a real broker, as its contract opens it. */
import type { TestContext } from 'node:test';
import type { Clock } from '../../commands/clock.ts';
import { openKafka } from '../../infra/kafka/kafka.ts';
import { systemClock } from '../../infra/system-clock.ts';
import type { OpenedFeed } from '../contracts/feed-fixtures.ts';
import { type TestKafka, testKafka } from './kafka-server.ts';
import { type KafkaTopics, kafkaTopics } from './kafka-topics.ts';
import { until } from './platform-process.ts';

export interface KafkaFeedOptions {
  /** Where memberships take their time from. */
  readonly feedClock?: Clock;
  readonly kafka?: TestKafka;
}

export async function openKafkaFeed(
  t: TestContext,
  { feedClock = systemClock, kafka }: KafkaFeedOptions = {},
): Promise<OpenedFeed & KafkaTopics> {
  const at = kafka ?? (await testKafka());
  const open = (clock: Clock) => {
    const opened = openKafka({ ...at, replicas: 1, clock });
    t.after(() => opened.close());
    return opened;
  };
  const topics = await kafkaTopics(t, at);
  // A broker that has just started loads what it knows of groups: a member that joins meanwhile is refused.
  await until('the broker knows its groups', () =>
    topics.members('nobody').then(
      () => true,
      () => false,
    ),
  );
  return {
    ...topics,
    feed: () => open(feedClock).feed,
    relayTopics() {
      const relay = open(systemClock).relayTopics();
      t.after(() => relay.close());
      return relay;
    },
  };
}
