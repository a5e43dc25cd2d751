import { eventLogContract } from '../../../test/contracts/event-log.ts';
import {
  fromHereOn,
  openEventStoreLogAt,
  openEventStoreTestLog,
} from '../../../test/support/eventstore-log.ts';

const server = process.env.EVENTSTOREDB_URL;

eventLogContract(server ? 'the log in EventStoreDB' : 'the log on a stand-in for EventStoreDB', {
  idsAreUniqueIn: 'stream',
  async open(t) {
    if (server) return { log: await fromHereOn(await openEventStoreLogAt(t, server)) };
    const { log, url } = await openEventStoreTestLog(t);
    return { log, elsewhere: await openEventStoreLogAt(t, url) };
  },
});
