/**
 * What the relay writes to Kafka: one topic a domain and generation, key = stream. A stream's events are in
 * one topic, so the domain goes by the stream's category.
 */
import type { Bookmark, Position, Recorded, StreamId } from './envelope.ts';
import { categoryOf } from './envelope.ts';

/** The categories of streams in each domain's topic, one line a domain. */
export const topicDomains: Readonly<Record<string, readonly string[]>> = {
  tenants: ['tenant'],
  keys: ['key'],
  owners: ['owner'],
  subjects: ['subject'],
  usage: ['usage'],
  flags: ['project', 'environment'],
};

const domainByCategory = new Map(
  Object.entries(topicDomains).flatMap(([domain, categories]) =>
    categories.map((category) => [category, domain] as const),
  ),
);

/** Null: a newer release writes such streams; who relays or consumes must wait for an upgrade. */
export function topicDomainOf(stream: StreamId): string | null {
  return domainByCategory.get(categoryOf(stream)) ?? null;
}

/** `plinth.keys.1`. A generation has a number of partitions for good. */
export function topicName(prefix: string, domain: string, generation: number): string {
  return `${prefix}.${domain}.${generation}`;
}

/** Compacted, one partition: the relay's record and its markers. */
export function positionTopicName(prefix: string): string {
  return `${prefix}.relay`;
}

export interface Partition {
  readonly domain: string;
  readonly partition: number;
}

/** Which topics stand, as the relay's last committed record says. */
export interface Generation {
  /** From 1. */
  readonly generation: number;
  /** Of each domain's topic. */
  readonly partitions: number;
}

/** A record of a partition as a consumer reads it, committed transactions alone. */
export interface Relayed {
  /** In the partition; a string, for it may pass 2^53. */
  readonly offset: string;
  /**
   * The place in the log of the event, or, for a watermark, of the last event that the relay had written
   * when it wrote the watermark: everything of this partition through there comes before it.
   */
  readonly bookmark: Bookmark;
  /** Position of the record or watermark before it in the same partition and generation; for the first, the relay's position when the generation began. */
  readonly predecessor: Position;
  /** Null: a watermark. */
  readonly event: Recorded | null;
}

/**
 * The partition that Kafka's own default partitioner would choose for the stream as key: murmur2 over its
 * UTF-8 bytes, seed 0x9747b28c, sign bit cleared, modulo.
 */
export function partitionOf(stream: StreamId, partitions: number): number {
  return (murmur2(Buffer.from(stream)) & 0x7fffffff) % partitions;
}

/** Austin Appleby's MurmurHash2, 32 bits, as Kafka's `Utils.murmur2` computes it. */
export function murmur2(bytes: Uint8Array): number {
  const M = 0x5bd1e995;
  const { length } = bytes;
  let h = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const left = length - at;
  if (left >= 3) h ^= bytes[at + 2]! << 16;
  if (left >= 2) h ^= bytes[at + 1]! << 8;
  if (left >= 1) h = Math.imul(h ^ bytes[at]!, M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}
