/** The feed over Kafka: what stands in the topics, and memberships of consumer groups. */
import type { Kafka } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import type { Feed, FeedEnds } from '../../projections/feed.ts';
import type { Generation } from '../../schemas/topics.ts';
import { topicName } from '../../schemas/topics.ts';
import { within } from '../within.ts';
import { brokerErrorType } from './broker-error.ts';
import { consume } from './membership.ts';
import { positionTopic } from './position-topic.ts';
import type { TopicsAdmin } from './topics-admin.ts';

const CALL_TIMEOUT_MS = 10_000;

export interface KafkaFeedOptions {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly admin: TopicsAdmin;
  readonly clock: Clock;
}

export function kafkaFeed({ kafka, prefix, admin, clock }: KafkaFeedOptions): Feed {
  const positions = positionTopic(kafka, prefix, clock);
  const closed = new AbortController();
  const memberships = new Set<Promise<void>>();
  /** One look at a time: each goes on where the last one ended. */
  let looking: Promise<unknown> = Promise.resolve();
  const lastRecord = () => {
    const look = looking.then(() =>
      within(clock, CALL_TIMEOUT_MS, 'Kafka, reading where the relay stands', positions.lastRecord()).catch(
        (error: unknown) => {
          // No relay has ever run.
          if (brokerErrorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return null;
          throw error;
        },
      ),
    );
    looking = look.catch(() => {});
    return look;
  };

  return {
    async ends(domains): Promise<FeedEnds | null> {
      const record = await lastRecord();
      if (record === null) return null;
      const { generation, partitions, bookmark: relayed } = record;
      const offsets = await within(
        clock,
        CALL_TIMEOUT_MS,
        'Kafka, reading the ends of the topics',
        Promise.all(
          domains.map(async (domain) =>
            (await admin.bounds(topicName(prefix, domain, generation)))
              .filter(({ partition }) => partition < partitions)
              .map(({ partition, high }) => ({ domain, partition, offset: high })),
          ),
        ),
      );
      return { generation, partitions, relayed, offsets: offsets.flat() };
    },
    async generation(): Promise<Generation | null> {
      const record = await lastRecord();
      return record && { generation: record.generation, partitions: record.partitions };
    },
    async consume(membership) {
      const signal = AbortSignal.any([membership.signal, closed.signal]);
      const running = consume({ kafka, prefix, clock }, { ...membership, signal });
      memberships.add(running);
      await running.finally(() => memberships.delete(running));
      if (!membership.signal.aborted) throw new Error('the connection to Kafka is closed');
    },
    async close() {
      closed.abort();
      await Promise.allSettled(memberships);
      await positions.close();
    },
  };
}
