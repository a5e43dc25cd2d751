import { feedContract } from '../../test/contracts/feed.ts';
import { openKafkaFeed } from '../../test/support/kafka-feed.ts';
import { without } from '../../test/support/servers.ts';

feedContract('the feed of Kafka', { skip: without('kafka'), open: (t) => openKafkaFeed(t) });
