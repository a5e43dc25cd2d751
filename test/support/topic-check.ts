/** What the topics of a generation hold, read back as a consumer reads them, and whether it is the log. */
import assert from 'node:assert/strict';
import { brokerErrorType } from '../../infra/kafka/broker-error.ts';
import { relayedOf } from '../../infra/kafka/cloud-event.ts';
import { kafkaClient } from '../../infra/kafka/kafkajs.ts';
import { type PartitionReader, partitionReader } from '../../infra/kafka/partition-reader.ts';
import { type Position, type Recorded, START } from '../../schemas/envelope.ts';
import {
  type Partition,
  partitionOf,
  type Relayed,
  topicDomainOf,
  topicDomains,
  topicName,
} from '../../schemas/topics.ts';

import { until } from './platform-process.ts';

const READ_WAIT_MS = 10;

export interface TopicsToRead {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly generation: number;
  readonly partitions: number;
}

/** Every committed record, by `<domain>/<partition>`. */
export async function readTopics(topics: TopicsToRead): Promise<ReadonlyMap<string, readonly Relayed[]>> {
  const found = new Map<string, readonly Relayed[]>();
  for (const domain of Object.keys(topicDomains)) {
    for (let partition = 0; partition < topics.partitions; partition++) {
      found.set(`${domain}/${partition}`, await readPartition(topics, { domain, partition }));
    }
  }
  return found;
}

/** Every committed record of one partition. */
export async function readPartition(
  { brokers, prefix, generation }: Omit<TopicsToRead, 'partitions'>,
  { domain, partition }: Partition,
): Promise<readonly Relayed[]> {
  const kafka = kafkaClient({ brokers, clientId: `${prefix}-check` });
  const reader = partitionReader(kafka, topicName(prefix, domain, generation), partition);
  const found: Relayed[] = [];
  try {
    const { begin, end } = await settledBounds(reader);
    for (let at = begin; at < end; ) {
      const { records, next } = await reader.read(at, READ_WAIT_MS);
      found.push(...records.map(relayedOf));
      if (next === at) break;
      at = next;
    }
  } finally {
    await reader.close();
  }
  return found;
}

/** A partition that was just made has a leader that does not know it yet. */
async function settledBounds(reader: PartitionReader) {
  let bounds: Awaited<ReturnType<PartitionReader['bounds']>> | null = null;
  await until('the partition has a leader', async () => {
    bounds = await reader.bounds().catch((error: unknown) => {
      if (brokerErrorType(error) === 'NOT_LEADER_FOR_PARTITION') return null;
      throw error;
    });
    return bounds;
  });
  return bounds!;
}

/**
 * Each event behind `begin` once, in its partition and in order, bytes as they were; each predecessor that
 * of the record before; no watermark ahead of an event that comes later. Answers how many events.
 */
export async function assertTopicsAreTheLog(
  topics: TopicsToRead,
  log: readonly Recorded[],
  begin: Position = START,
): Promise<{ readonly events: number; readonly watermarks: number }> {
  const found = await readTopics(topics);
  let events = 0;
  let watermarks = 0;
  const expected = new Map<string, Recorded[]>([...found.keys()].map((name) => [name, []]));
  for (const event of log) {
    if (event.position <= begin) continue;
    const name = `${topicDomainOf(event.stream)}/${partitionOf(event.stream, topics.partitions)}`;
    expected.get(name)!.push(event);
  }
  for (const [name, records] of found) {
    let last = begin;
    for (const { bookmark, predecessor } of records) {
      assert.equal(predecessor, last, `${name}: the predecessor at ${bookmark.position}`);
      assert.ok(bookmark.position > last, `${name}: ${bookmark.position} behind ${last}`);
      last = bookmark.position;
    }
    const carried = records.flatMap(({ event }) => event ?? []);
    const plain = (event: Recorded) => ({
      ...event,
      nonce: hex(event.nonce),
      data: hex(event.data),
      metadata: hex(event.metadata),
    });
    assert.deepEqual(carried.map(plain), expected.get(name)!.map(plain), name);
    events += carried.length;
    watermarks += records.length - carried.length;
  }
  return { events, watermarks };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
