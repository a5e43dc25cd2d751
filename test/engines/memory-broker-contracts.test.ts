import { systemClock as clock } from '../../infra/system-clock.ts';
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
