/**
 * The client of Kafka, behind one door. It is loaded as CommonJS: loaded as a module, its spans would be
 * missing without a word.
 */
import { createRequire } from 'node:module';
import type * as KafkaJs from 'kafkajs';

const require = createRequire(import.meta.url);

export const kafkajs = require('kafkajs') as typeof KafkaJs;

export interface KafkaLogLine {
  readonly level: 'error' | 'warn';
  readonly message: string;
  readonly detail: string | undefined;
}

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** What the client has to say, warnings and worse. */
  readonly onLog?: (line: KafkaLogLine) => void;
}

const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;

export function kafkaClient({ brokers, clientId, onLog }: KafkaOptions): KafkaJs.Kafka {
  const { Kafka, logLevel } = kafkajs;
  return new Kafka({
    brokers: [...brokers],
    clientId,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Whoever calls tries again by itself, and says so.
    retry: { initialRetryTime: 50, maxRetryTime: 500, multiplier: 2, factor: 0.2, retries: 3 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ level, namespace, log }) =>
        onLog?.({
          level: level === logLevel.ERROR ? 'error' : 'warn',
          message: `${namespace}: ${log.message}`,
          detail: typeof log.error === 'string' ? log.error : undefined,
        }),
  });
}

/**
 * The parts of the client that it keeps to itself: reading a partition without a consumer group, whose
 * first member waits 3 s on a broker with default settings. They are those of its last release.
 */
interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  findBroker(of: { nodeId: string }): Promise<Broker>;
}

interface Broker {
  fetch(request: object): Promise<{
    responses: readonly { partitions: readonly object[] }[];
  }>;
  listOffsets(request: object): Promise<{
    responses: readonly { partitions: readonly { offset: string }[] }[];
  }>;
}

interface Batch {
  readonly messages: readonly KafkaJs.KafkaMessage[];
  readonly rawMessages: readonly KafkaJs.KafkaMessage[];
  lastOffset(): string;
}

const READ_COMMITTED = 1;

export function committedCluster(kafka: KafkaJs.Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  if (!symbol) throw new Error('this release of kafkajs has no private:Kafka:createCluster');
  const make = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol]!;
  return make({ allowAutoTopicCreation: false, isolationLevel: READ_COMMITTED });
}

export const Batch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: object,
) => Batch;
