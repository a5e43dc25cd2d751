import { relayTopicsContract } from '../../test/contracts/relay-topics.ts';
import { testKafka } from '../../test/support/kafka-server.ts';
import { kafkaTopics } from '../../test/support/kafka-topics.ts';
import { without } from '../../test/support/servers.ts';
import { readPartition } from '../../test/support/topic-check.ts';
import { systemClock as clock } from '../system-clock.ts';
import { openKafka } from './kafka.ts';

relayTopicsContract('the topics in Kafka', {
  skip: without('kafka'),
  async open(t) {
    const kafka = await testKafka();
    return {
      ...(await kafkaTopics(t, kafka)),
      relayTopics() {
        const opened = openKafka({ ...kafka, replicas: 1, clock });
        const topics = opened.relayTopics();
        t.after(async () => {
          await topics.close();
          await opened.close();
        });
        return topics;
      },
      committed: (generation, partition) => readPartition({ ...kafka, generation }, partition),
    };
  },
});
