/** Projectors that park, replay or read what is parked wrongly while Kafka feeds them. */
import type { ParkedStream } from '../../projections/store.ts';
import { changedFedAdvance, withoutSavepoint } from './changed-advance.ts';
import type { FedGuards } from './fed-world.ts';
import { type Ports, storing } from './replaced-ports.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';

const forgetsWhatIsParked = storing(() => ({ parkedStreams: async () => [] }));

const readsWhatIsParkedFirst = storing((store, { scheduler }) => {
  let parked: readonly ParkedStream[] = [];
  return {
    async places(projection, revision) {
      parked = await store.parkedStreams(projection, revision);
      // The store takes its time.
      await scheduler.clock.sleep(scheduler.below(200));
      return store.places(projection, revision);
    },
    parkedStreams: async () => parked,
  };
});

const parksWithoutSavepoint = storing((store) => changedFedAdvance(store, withoutSavepoint));

const parksInMemoryAlone = storing((store) => changedFedAdvance(store, () => ({ park: async () => {} })));

/** What comes behind the request is delivered as well. */
const replaysToTheEnd: Ports = (ports) => ({
  ...ports,
  log: replacing(ports.log, {
    readStream: (stream, options) => ports.log.readStream(stream, { ...options, through: undefined }),
  }),
});

export const fedParkingTwins: readonly Twin<FedGuards>[] = [
  {
    name: 'what is parked is forgotten when partitions are shared out anew',
    breaks: 'events behind a poison are applied as if it were not there',
    guards: { ports: forgetsWhatIsParked },
  },
  {
    name: 'what is parked is read before the places',
    breaks: 'who had the partition before parks a stream in between, and its later events are applied',
    guards: { ports: readsWhatIsParkedFirst },
  },
  {
    name: 'parking without a savepoint while fed',
    breaks: 'half of what a failing batch wrote stays',
    guards: { ports: parksWithoutSavepoint },
  },
  {
    name: 'what is parked while fed is kept in memory alone',
    breaks: 'the next owner of the partition applies what should wait',
    guards: { ports: parksInMemoryAlone },
  },
  {
    name: 'a replay goes to the end of the stream',
    breaks: 'what comes behind the request is applied twice',
    guards: { ports: replaysToTheEnd },
  },
];
