/** Relays with one safeguard taken out, from the steps that a client of the broker has. */
import type { Clock } from '../../commands/clock.ts';
import type { Position } from '../../schemas/envelope.ts';
import {
  type Outgoing,
  RelayFenced,
  type RelayRecord,
  type RelayTopics,
} from '../../workers/relay-topics.ts';
import type { MemoryBrokerConnection } from '../engines/memory-broker.ts';
import { commitBatch, commitMarker, type MemoryProducer } from '../engines/memory-relay-topics.ts';
import { replacing } from './replacing.ts';

/** Takes the last record that was read when `isEnd` says so, with or without its marker. */
async function readUntil(
  producer: MemoryProducer,
  clock: Clock,
  isEnd: (next: number, fetched: number) => boolean,
): Promise<RelayRecord | null> {
  let last: RelayRecord | null = null;
  for (let from = 0; ; ) {
    const { records, next } = await producer.readPosition(from);
    for (const { value } of records) if (value.key === 'record') last = value.record;
    from = (records.at(-1)?.offset ?? next - 1) + 1;
    if (isEnd(from, records.length)) return last;
    if (records.length === 0) await clock.sleep(10);
  }
}

/** Commits as the product's engine does; takes over by `takeOver`. */
function takingOver(
  { producer }: MemoryBrokerConnection,
  takeOver: (producer: MemoryProducer) => Promise<RelayRecord | null>,
): RelayTopics {
  return {
    async takeOver() {
      const record = await takeOver(producer);
      return { record, topicsHoldRecords: await producer.holdsRecords(), lastGeneration: 0 };
    },
    async commit(records, record) {
      await producer.makeTopics(record.generation, record.partitions);
      await commitBatch(producer, records, record);
    },
    async close() {},
  };
}

async function fenceAndMark(producer: MemoryProducer): Promise<void> {
  await producer.init();
  await commitMarker(producer);
}

export function readsBeforeItFences(connection: MemoryBrokerConnection, clock: Clock): RelayTopics {
  return takingOver(connection, async (producer) => {
    const end = await producer.positionEnd();
    const record = await readUntil(producer, clock, (next) => next >= end - 1);
    await producer.init();
    return record;
  });
}

export function readsToTheEndOffset(connection: MemoryBrokerConnection, clock: Clock): RelayTopics {
  return takingOver(connection, async (producer) => {
    await fenceAndMark(producer);
    const end = await producer.positionEnd();
    return readUntil(producer, clock, (next, fetched) => fetched > 0 && next >= end);
  });
}

export function takesAnEmptyFetchForTheEnd(connection: MemoryBrokerConnection, clock: Clock): RelayTopics {
  return takingOver(connection, async (producer) => {
    await fenceAndMark(producer);
    return readUntil(producer, clock, (_next, fetched) => fetched === 0);
  });
}

export function commitsThePositionApart(connection: MemoryBrokerConnection): RelayTopics {
  const { producer } = connection;
  const topics = connection.relayTopics();
  let working = false;
  return replacing(topics, {
    async takeOver() {
      const footing = await topics.takeOver();
      await producer.init();
      working = true;
      return footing;
    },
    async commit(records, record) {
      if (!working) throw new Error('take over first');
      working = false;
      await producer.makeTopics(record.generation, record.partitions);
      if (records.length > 0) {
        await producer.write(record.generation, records);
        await producer.commit();
      }
      await commitBatch(producer, [], record);
      working = true;
    },
  });
}

export function sendsAgainBlindly(connection: MemoryBrokerConnection): RelayTopics {
  const topics = connection.relayTopics();
  return replacing(topics, {
    async commit(records, record) {
      try {
        await topics.commit(records, record);
      } catch (error) {
        if (error instanceof RelayFenced) throw error;
        await topics.takeOver();
        await topics.commit(records, record);
      }
    },
  });
}

/** After a commit that failed it goes on from what it meant to write. */
export function keepsItsPredecessors(connection: MemoryBrokerConnection): RelayTopics {
  const topics = connection.relayTopics();
  let meant: RelayRecord | null = null;
  return replacing(topics, {
    async takeOver() {
      const footing = await topics.takeOver();
      if (!footing.record || !meant) return footing;
      return { ...footing, record: { ...footing.record, last: meant.last } };
    },
    async commit(records, record) {
      meant = record;
      await topics.commit(records, record);
    },
  });
}

export function sendsWatermarksFirst(connection: MemoryBrokerConnection): RelayTopics {
  const topics = connection.relayTopics();
  return replacing(topics, {
    commit: (records, record) => topics.commit(rechained(records), record),
  });
}

function rechained(records: readonly Outgoing[]): Outgoing[] {
  const nameOf = ({ domain, partition }: Outgoing) => `${domain}/${partition}`;
  const last = new Map<string, Position>();
  for (const record of records.toReversed()) last.set(nameOf(record), record.predecessor);
  return records
    .toSorted((a, b) => Number(a.event !== null) - Number(b.event !== null))
    .map((record) => {
      const predecessor = last.get(nameOf(record))!;
      last.set(nameOf(record), record.bookmark.position);
      return { ...record, predecessor };
    });
}
