import { feedContract } from '../../test/contracts/feed.ts';
import { testKafka } from '../../test/support/kafka-server.ts';
import { kafkaTopics } from '../../test/support/kafka-topics.ts';
import { without } from '../../test/support/servers.ts';
import { systemClock as clock } from '../system-clock.ts';
import { openKafka } from './kafka.ts';

feedContract('the feed of Kafka', {
  skip: without('kafka'),
  async open(t) {
    const kafka = await testKafka();
    const open = () => {
      const opened = openKafka({ ...kafka, replicas: 1, clock });
      t.after(() => opened.close());
      return opened;
    };
    return {
      ...(await kafkaTopics(t, kafka)),
      feed: () => open().feed,
      relayTopics() {
        const topics = open().relayTopics();
        t.after(() => topics.close());
        return topics;
      },
    };
  },
});
