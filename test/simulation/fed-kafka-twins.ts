/** Projectors that believe of Kafka what is not so. */
import { nameOf } from '../../projections/places.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import type { Relayed } from '../../schemas/topics.ts';
import { DOMAINS } from './fed-truth.ts';
import type { FedGuards, FedWorld } from './fed-world.ts';
import type { Store } from './outages.ts';
import { NAME } from './projection-world.ts';
import { consuming, ending, type Ports } from './replaced-ports.ts';
import { replacing } from './replacing.ts';
import type { Twin } from './rule.ts';

function delivering(change: (record: Relayed) => Relayed): Ports {
  return consuming((membership) => ({
    ...membership,
    records: (partition, records, live) => membership.records(partition, records.map(change), live),
  }));
}

const asksForNoPredecessor = delivering((record) => ({ ...record, predecessor: START }));

const believesWatermarks = delivering((record) =>
  record.event === null ? { ...record, predecessor: START } : record,
);

/** When it joins, behind all that it took from the log. */
const readsEndsLast: Ports = (ports, { scheduler }) => {
  const { store, feed } = ports;
  const join: Store['join'] = async (lease, from, places) => {
    // The broker takes its time.
    await scheduler.clock.sleep(scheduler.below(500));
    const ends = await feed!.ends(DOMAINS);
    const offsets = new Map(ends?.offsets.map((next) => [nameOf(next), next.offset]));
    const moved = places.places.map((place) => ({ ...place, offset: offsets.get(nameOf(place))! }));
    await store.join(lease, from, { ...places, places: moved });
  };
  return { ...ports, store: replacing(store, { join }) };
};

/** Offsets are committed to the group as they are delivered, and a member goes on from there. */
const goesOnFromTheGroup = consuming((membership, world) => {
  const groups = offsetsOf(world);
  const offsets = groups.get(membership.group) ?? new Map<string, string>();
  groups.set(membership.group, offsets);
  return {
    ...membership,
    async assigned(partitions) {
      const starts = await membership.assigned(partitions);
      return starts.map((start) => ({ ...start, offset: offsets.get(nameOf(start)) ?? start.offset }));
    },
    records(partition, records, live) {
      offsets.set(nameOf(partition), String(Number(records.at(-1)!.offset) + 1));
      return membership.records(partition, records, live);
    },
  };
});

const committed = new WeakMap<FedWorld, Map<string, Map<string, string>>>();

function offsetsOf(world: FedWorld): Map<string, Map<string, string>> {
  const known = committed.get(world) ?? new Map();
  committed.set(world, known);
  return known;
}

const waitsForTheNextRecord = ending((ends, { database }) =>
  database.current(NAME)?.feed ? { ...ends, relayed: { ...ends.relayed, position: START } } : ends,
);

const keepsItsGeneration = ending((ends, { database }) => ({ ...ends, ...database.current(NAME)?.feed }));

/** As if it had come as far as anybody can ask. */
const asksForNoRelay = ending((ends, { database }) =>
  database.current(NAME)?.feed
    ? ends
    : { ...ends, relayed: { ...ends.relayed, position: '9'.repeat(20) as Position } },
);

export const kafkaTwins: readonly Twin<FedGuards>[] = [
  {
    name: 'the ends of the topics are read behind the log’s head',
    breaks: 'what is relayed between the two lies below the offsets and behind what was taken from the log',
    guards: { ports: readsEndsLast },
  },
  {
    name: 'a record is applied without a look at its predecessor',
    breaks: 'what was trimmed or lost with its topic is missing',
    guards: { ports: asksForNoPredecessor },
  },
  {
    name: 'a watermark is believed without its predecessor',
    breaks: 'it stands for events that were trimmed before it',
    guards: { ports: believesWatermarks },
  },
  {
    name: 'a member goes on where its group was',
    breaks: 'what was delivered and not committed is missing',
    guards: { ports: goesOnFromTheGroup },
  },
  {
    name: 'a gap is found by the next record alone',
    breaks: 'a topic that is trimmed and quiet is never read to its end',
    guards: { ports: waitsForTheNextRecord },
  },
  {
    name: 'nobody looks which generation stands',
    breaks: 'members wait for ever at topics that nobody writes to',
    guards: { ports: keepsItsGeneration },
  },
  {
    name: 'who joins does not ask how far the relay has come',
    breaks: 'it waits for ever at topics that no relay fills, while the log goes on',
    guards: { ports: asksForNoRelay },
  },
];
