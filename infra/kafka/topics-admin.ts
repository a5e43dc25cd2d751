/** Making the topics, and what is known of those that are there. */
import type { ITopicMetadata, Kafka } from 'kafkajs';
import type { Clock } from '../../commands/clock.ts';
import { positionTopicName, topicDomains, topicName } from '../../schemas/topics.ts';
import { adminClient } from './admin-client.ts';
import { brokerErrorType } from './broker-error.ts';

/** An event of 256 KiB with all that travels along, and room. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** How long a record stays: a consumer that was away longer takes what it missed from the log. */
export const RETENTION_MS = 7 * 24 * 60 * 60 * 1000;
/** What is not compacted yet stays small: a relay that starts reads it. */
const POSITION_SEGMENT_BYTES = 16 * 1024 * 1024;
const POSITION_SEGMENT_MS = 60 * 60 * 1000;
/** A broker answers that a topic is made before it knows of it itself, or who leads its partitions. */
const KNOWN_WITHIN_MS = 10_000;
const KNOWN_POLL_MS = 50;
const NOT_YET = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'];

export interface TopicsAdmin {
  makePositionTopic(): Promise<void>;
  /** Every domain's topic of the generation. Throws where one is there with fewer partitions. */
  makeTopics(generation: number, partitions: number): Promise<void>;
  /** Names of our topics of events with their generation. */
  eventTopics(): Promise<readonly { readonly topic: string; readonly generation: number }[]>;
  /** By partition: the first offset that is kept, and the one behind the last record, of open transactions too. */
  bounds(topic: string): Promise<readonly { partition: number; low: string; high: string }[]>;
  /** Answers when a broker does. */
  check(): Promise<void>;
  close(): Promise<void>;
}

interface Wanted {
  readonly topic: string;
  readonly numPartitions: number;
  readonly configEntries: readonly { readonly name: string; readonly value: string }[];
}

export interface TopicsAdminOptions {
  readonly kafka: Kafka;
  readonly prefix: string;
  readonly replicas: number;
  readonly clock: Clock;
}

export function topicsAdmin({ kafka, prefix, replicas, clock }: TopicsAdminOptions): TopicsAdmin {
  const making = adminClient(kafka);
  /**
   * Apart: a client that has been asked for the bounds of a topic asks for that topic with everything it does
   * from then on, and once the topic is deleted all of it fails, making the topic anew too.
   */
  const looking = adminClient(kafka);
  const durable = replicas > 2 ? [{ name: 'min.insync.replicas', value: '2' }] : [];
  const make = async (wanted: readonly Wanted[]): Promise<readonly ITopicMetadata[]> => {
    const one = await making.get();
    const there = new Set(await one.listTopics());
    const missing = wanted.filter(({ topic }) => !there.has(topic));
    if (missing.length > 0) {
      const topics = missing.map((topic) => ({
        ...topic,
        replicationFactor: replicas,
        configEntries: [
          { name: 'max.message.bytes', value: String(MAX_MESSAGE_BYTES) },
          ...durable,
          ...topic.configEntries,
        ],
      }));
      // The client's own wait fails where the broker does not know of the topic yet.
      await one.createTopics({ waitForLeaders: false, topics }).catch((error: unknown) => {
        throw refusedTopic(error, replicas) ?? error;
      });
    }
    return known(wanted.map(({ topic }) => topic));
  };
  const known = async (topics: string[]): Promise<readonly ITopicMetadata[]> => {
    for (const endMs = clock.now() + KNOWN_WITHIN_MS; ; await clock.sleep(KNOWN_POLL_MS)) {
      try {
        return (await (await making.get()).fetchTopicMetadata({ topics })).topics;
      } catch (error) {
        if (!NOT_YET.includes(brokerErrorType(error) ?? '') || clock.now() > endMs) throw error;
      }
    }
  };

  return {
    async makePositionTopic() {
      await make([
        {
          topic: positionTopicName(prefix),
          numPartitions: 1,
          configEntries: [
            { name: 'cleanup.policy', value: 'compact' },
            { name: 'segment.bytes', value: String(POSITION_SEGMENT_BYTES) },
            { name: 'segment.ms', value: String(POSITION_SEGMENT_MS) },
            { name: 'min.cleanable.dirty.ratio', value: '0.1' },
          ],
        },
      ]);
    },
    async makeTopics(generation, partitions) {
      const topics = Object.keys(topicDomains).map((domain) => topicName(prefix, domain, generation));
      const made = await make(
        topics.map((topic) => ({
          topic,
          numPartitions: partitions,
          configEntries: [
            { name: 'cleanup.policy', value: 'delete' },
            { name: 'retention.ms', value: String(RETENTION_MS) },
          ],
        })),
      );
      for (const { name, partitions: found } of made) {
        if (found.length < partitions) {
          throw new Error(
            `Topic ${name} has ${found.length} partitions, the relay's record says ${partitions}: run \`plinth relay restart\` for a generation of its own.`,
          );
        }
      }
    },
    async eventTopics() {
      const topics = await (await making.get()).listTopics();
      return topics.flatMap((topic) => {
        const generation = Number(topic.split('.').at(-1));
        const ours = Object.keys(topicDomains).some(
          (domain) => topic === topicName(prefix, domain, generation),
        );
        return ours ? [{ topic, generation }] : [];
      });
    },
    async bounds(topic) {
      try {
        return await (await looking.get()).fetchTopicOffsets(topic);
      } catch (error) {
        looking.forget();
        throw error;
      }
    },
    async check() {
      await (await making.get()).describeCluster();
    },
    async close() {
      await Promise.all([making.close(), looking.close()]);
    },
  };
}

/** What the brokers cannot have: one of the topics, with why, and the settings that say so. */
function refusedTopic(error: unknown, replicas: number): Error | null {
  const { errors } = error as { errors?: readonly { topic?: string; type?: string; message?: string }[] };
  const [first] = errors ?? [];
  if (first?.topic === undefined) return null;
  const why = `${first.message ?? 'no reason given'}`.replace(/\.$/, '');
  return new Error(
    `Kafka does not make topic ${first.topic} with ${replicas} copies (${first.type}: ${why}): check KAFKA_REPLICAS and the number of partitions.`,
    { cause: error },
  );
}
