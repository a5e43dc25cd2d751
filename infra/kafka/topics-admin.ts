/** Making the topics, and what is known of those that are there. */
import type { Admin, Kafka } from 'kafkajs';
import { positionTopicName, topicDomains, topicName } from '../../schemas/topics.ts';

/** An event of 256 KiB with all that travels along, and room. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** How long a record stays: a consumer that was away longer takes what it missed from the log. */
export const RETENTION_MS = 7 * 24 * 60 * 60 * 1000;
/** What is not compacted yet stays small: a relay that starts reads it. */
const POSITION_SEGMENT_BYTES = 16 * 1024 * 1024;
const POSITION_SEGMENT_MS = 60 * 60 * 1000;

export interface TopicsAdmin {
  makePositionTopic(): Promise<void>;
  /** Every domain's topic of the generation. Throws where one is there with fewer partitions. */
  makeTopics(generation: number, partitions: number): Promise<void>;
  /** Names of our topics of events with their generation. */
  eventTopics(): Promise<readonly { readonly topic: string; readonly generation: number }[]>;
  /** By partition: the first offset that is kept, and the one behind the last committed. */
  bounds(topic: string): Promise<readonly { partition: number; low: string; high: string }[]>;
  close(): Promise<void>;
}

export function topicsAdmin(kafka: Kafka, prefix: string, replicas: number): TopicsAdmin {
  let connected: Promise<Admin> | null = null;
  let closed = false;
  const admin = async (): Promise<Admin> => {
    // A client that is used after its end connects again, and nobody ends it then.
    if (closed) throw new Error('the connection to Kafka is closed');
    connected ??= (async () => {
      const one = kafka.admin();
      await one.connect();
      return one;
    })();
    try {
      return await connected;
    } catch (error) {
      connected = null;
      throw error;
    }
  };
  const durable = replicas > 2 ? [{ name: 'min.insync.replicas', value: '2' }] : [];
  const make = async (
    wanted: readonly {
      topic: string;
      numPartitions: number;
      configEntries: { name: string; value: string }[];
    }[],
  ) => {
    const one = await admin();
    const there = new Set(await one.listTopics());
    const missing = wanted.filter(({ topic }) => !there.has(topic));
    if (missing.length === 0) return;
    await one.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({
        ...topic,
        replicationFactor: replicas,
        configEntries: [
          { name: 'max.message.bytes', value: String(MAX_MESSAGE_BYTES) },
          ...durable,
          ...topic.configEntries,
        ],
      })),
    });
  };

  return {
    makePositionTopic: () =>
      make([
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
      ]),
    async makeTopics(generation, partitions) {
      const topics = Object.keys(topicDomains).map((domain) => topicName(prefix, domain, generation));
      await make(
        topics.map((topic) => ({
          topic,
          numPartitions: partitions,
          configEntries: [
            { name: 'cleanup.policy', value: 'delete' },
            { name: 'retention.ms', value: String(RETENTION_MS) },
          ],
        })),
      );
      const { topics: made } = await (await admin()).fetchTopicMetadata({ topics });
      for (const { name, partitions: found } of made) {
        if (found.length < partitions) {
          throw new Error(
            `Topic ${name} has ${found.length} partitions, the relay's record says ${partitions}: run \`plinth relay restart\` for a generation of its own.`,
          );
        }
      }
    },
    async eventTopics() {
      const domains = Object.keys(topicDomains).join('|');
      const name = new RegExp(`^${prefix}\\.(?:${domains})\\.(\\d+)$`);
      const topics = await (await admin()).listTopics();
      return topics.flatMap((topic) => {
        const generation = name.exec(topic)?.[1];
        return generation === undefined ? [] : [{ topic, generation: Number(generation) }];
      });
    },
    bounds: async (topic) => (await admin()).fetchTopicOffsets(topic),
    async close() {
      closed = true;
      await connected?.then((one) => one.disconnect()).catch(() => {});
    },
  };
}
