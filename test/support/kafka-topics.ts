/** What befalls topics on a real broker. */
import { kafkaClient } from '../../infra/kafka/kafkajs.ts';
import { type Partition, positionTopicName, topicName } from '../../schemas/topics.ts';
import type { TestKafka } from './kafka-server.ts';
import { until } from './platform-process.ts';
import type { Cleanup } from './postgres.ts';

export interface KafkaTopics {
  deleteTopic(generation: number, domain: string): Promise<void>;
  deletePositionTopic(): Promise<void>;
  /** Retention: of a partition only what lies at or behind the offset stays. */
  trim(generation: number, partition: Partition, offset: string): Promise<void>;
  /** How many members a group of the feed has. */
  members(group: string): Promise<number>;
}

export async function kafkaTopics(t: Cleanup, { brokers, prefix }: TestKafka): Promise<KafkaTopics> {
  const admin = kafkaClient({ brokers, clientId: `${prefix}-fate` }).admin();
  await admin.connect();
  t.after(() => admin.disconnect());
  const remove = async (topic: string) => {
    await admin.deleteTopics({ topics: [topic] });
    // The broker says so before it is true.
    await until(`${topic} is gone`, async () => !(await admin.listTopics()).includes(topic));
  };
  return {
    deleteTopic: (generation, domain) => remove(topicName(prefix, domain, generation)),
    deletePositionTopic: () => remove(positionTopicName(prefix)),
    async trim(generation, { domain, partition }, offset) {
      const topic = topicName(prefix, domain, generation);
      // Which the client must have heard of.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset }] });
    },
    async members(group) {
      const { groups } = await admin.describeGroups([`${prefix}.${group}`]);
      return groups[0]?.members.length ?? 0;
    },
  };
}
