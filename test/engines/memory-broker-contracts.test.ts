import { systemClock as clock } from '../../infra/system-clock.ts';
import { feedContract } from '../contracts/feed.ts';
import { relayTopicsContract } from '../contracts/relay-topics.ts';
import { memoryBroker } from './memory-broker.ts';

relayTopicsContract('the topics in memory', {
  async open() {
    const broker = memoryBroker({ clock });
    return {
      relayTopics: () => broker.connect().relayTopics(),
      committed: async (generation, partition) => broker.committed(generation, partition),
      deleteTopic: async (generation, domain) => broker.deleteTopic(generation, domain),
      deletePositionTopic: async () => broker.deletePositionTopic(),
    };
  },
});

feedContract('the feed in memory', {
  async open() {
    let picks = 0;
    // Partitions to members in turn.
    const broker = memoryBroker({ clock, pick: (n) => picks++ % n });
    return {
      feed: () => broker.connect().feed(),
      relayTopics: () => broker.connect().relayTopics(),
      deleteTopic: async (generation, domain) => broker.deleteTopic(generation, domain),
      trim: async (generation, partition, offset) => broker.trim(generation, partition, Number(offset)),
    };
  },
});
