/** Reads one partition without a consumer group, what is committed alone. */
import type { Kafka, KafkaMessage } from 'kafkajs';
import { brokerErrorType } from './broker-error.ts';
import { Batch, committedCluster } from './kafkajs.ts';

const MAX_FETCH_BYTES = 4 * 1024 * 1024;
const READ_COMMITTED = 1;
const EARLIEST = -2;
const LATEST = -1;

export interface PartitionReader {
  /** Committed records from the offset on, some of them; waits up to `waitMs` when there are none. */
  read(
    from: bigint,
    waitMs: number,
  ): Promise<{ readonly records: readonly KafkaMessage[]; readonly next: bigint }>;
  /** The first offset that is kept, and the one behind the last that is committed. */
  bounds(): Promise<{ readonly begin: bigint; readonly end: bigint }>;
  close(): Promise<void>;
}

/** Connects with the first read, and anew after one that failed. Throws what the broker says. */
export function partitionReader(kafka: Kafka, topic: string, partition = 0): PartitionReader {
  let connected: Promise<ReturnType<typeof committedCluster>> | null = null;

  const connect = async () => {
    const cluster = committedCluster(kafka);
    try {
      await cluster.connect();
      await cluster.addTargetTopic(topic);
    } catch (error) {
      // Whoever looks for a topic that is not there yet would leave a connection behind with every look.
      await cluster.disconnect().catch(() => {});
      throw error;
    }
    return cluster;
  };
  const forget = () => {
    const old = connected;
    connected = null;
    old
      ?.then(
        (cluster) => cluster.disconnect(),
        () => {},
      )
      .catch(() => {});
  };
  let closed = false;
  const leader = async () => {
    if (closed) throw new Error('the connection to Kafka is closed');
    connected ??= connect();
    const cluster = await connected;
    const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    if (nodeId === undefined) throw new Error(`${topic}/${partition} has no leader`);
    return cluster.findBroker({ nodeId });
  };
  const attempt = async <R>(work: () => Promise<R>): Promise<R> => {
    try {
      return await work();
    } catch (error) {
      forget();
      throw error;
    }
  };
  const offset = async (timestamp: number): Promise<bigint> => {
    const broker = await leader();
    const { responses } = await broker.listOffsets({
      replicaId: -1,
      isolationLevel: READ_COMMITTED,
      topics: [{ topic, partitions: [{ partition, timestamp }] }],
    });
    return BigInt(responses[0]!.partitions[0]!.offset);
  };

  return {
    read: (from, waitMs) =>
      attempt(async () => {
        const broker = await leader();
        let fetched: Awaited<ReturnType<typeof broker.fetch>>;
        try {
          fetched = await broker.fetch({
            replicaId: -1,
            isolationLevel: READ_COMMITTED,
            maxWaitTime: waitMs,
            minBytes: 1,
            maxBytes: MAX_FETCH_BYTES,
            topics: [
              { topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: MAX_FETCH_BYTES }] },
            ],
          });
        } catch (error) {
          // The topic was made anew, and is shorter: all of it is news.
          if (brokerErrorType(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
          return { records: [], next: await offset(EARLIEST) };
        }
        const data = fetched.responses[0]?.partitions[0];
        if (!data) return { records: [], next: from };
        const batch = new Batch(topic, String(from), data);
        // Control records take offsets and are not among the messages.
        const next = batch.rawMessages.length > 0 ? BigInt(batch.lastOffset()) + 1n : from;
        return { records: batch.messages, next: next > from ? next : from };
      }),
    bounds: () => attempt(async () => ({ begin: await offset(EARLIEST), end: await offset(LATEST) })),
    async close() {
      closed = true;
      forget();
    },
  };
}
