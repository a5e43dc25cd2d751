/**
 * The port of the feed: how a projection whose order is `stream` reads the topics that the relay fills, as
 * one member of a consumer group. Its contract is `test/contracts/feed.ts`, its adapter `infra/kafka/`.
 */
import type { Bookmark } from '../schemas/envelope.ts';
import type { Generation, Partition, Relayed } from '../schemas/topics.ts';
import type { FedRevision } from './store.ts';

/** The next offset to read of a partition. */
export interface NextOffset extends Partition {
  readonly offset: string;
}

/** What stood in the topics at one moment. */
export interface FeedEnds extends Generation {
  /** How far the relay had come: the bookmark of its last committed record. */
  readonly relayed: Bookmark;
  /**
   * Of every partition of the domains asked for: the offset behind everything that was committed then. To be
   * read before the log's head: what lies below is in the log by then.
   */
  readonly offsets: readonly NextOffset[];
}

export interface Membership {
  /** Names the consumer group: its members share the partitions. */
  readonly group: string;
  readonly domains: readonly string[];
  readonly generation: Generation;
  /**
   * Ends it: nothing is delivered any more, what is being worked on is waited for (half a minute, then it is
   * left to be fenced by its place), the member leaves.
   */
  readonly signal: AbortSignal;
  /**
   * These partitions are this member's from now on; those of an earlier call that are not among them are
   * not. Nothing is delivered until it has answered where to start in each.
   */
  assigned(partitions: readonly Partition[]): Promise<readonly NextOffset[]>;
  /**
   * Records of one partition in the order of their offsets. One call at a time for a partition; the member
   * stays in its group meanwhile, however long it takes.
   *
   * @param live nothing more lay in the partition when these were fetched
   */
  records(partition: Partition, records: readonly Relayed[], live: boolean): Promise<void>;
}

/** Of all that advance a revision in a generation. */
export function feedGroup({ projection, revision, generation }: FedRevision): string {
  return `${projection}.${revision}.${generation.generation}`;
}

export interface Feed {
  /** The generation that stands, with its ends; null: no relay has committed yet. */
  ends(domains: readonly string[]): Promise<FeedEnds | null>;
  /** The generation that stands, for members to notice that theirs is over. */
  generation(): Promise<Generation | null>;
  /**
   * Resolves when the signal has aborted. Rejects, having left the group, with what `assigned` or `records`
   * threw, or when the membership broke: join again.
   */
  consume(membership: Membership): Promise<void>;
  /** Memberships that still run end as by their signal, then reject. */
  close(): Promise<void>;
}
