/**
 * The port of the store that projections live in: revisions with tables of their own, checkpoints, the
 * parked list and `changes`. Its contract is `test/contracts/projection-store.ts`.
 *
 * A storage revision is one set of tables (`rm_<name>_<revision>`), numbered from 1 for each projection;
 * it remembers the code revision (`Projection.revision`) that fills it, so that the same code can be
 * rebuilt beside itself. Stamps carry the storage revision.
 */
import type { Bookmark, Epoch, Position, StreamId } from '../schemas/envelope.ts';
import type { Generation } from '../schemas/topics.ts';
import type { Change } from './changes.ts';
import type { Marks, Move, Places } from './places.ts';
import type { Projection, TableSpec, Tables } from './projection.ts';

/**
 * `current`: queries read it. `building`: filled beside the current one, to be swapped in. `shadow`:
 * filled to be compared and dropped. `old`: was current; dropped a minute after the swap,
 * or by the next rebuild.
 */
export type RevisionState = 'current' | 'building' | 'shadow' | 'old';

export interface Revision {
  readonly projection: string;
  readonly revision: number;
  readonly codeRevision: number;
  readonly state: RevisionState;
  /** In feed mode the least of the places: everything through there is applied. */
  readonly bookmark: Bookmark;
  /** Of feed mode; null: it follows the log. */
  readonly feed: Generation | null;
  /** What is applied beyond the bookmark: the places in feed mode, or the marks that they left. */
  readonly marks: Marks | null;
  /** Who holds the lease, or null when nobody does. */
  readonly holder: string | null;
  /** Why it stopped until an operator acts, or null. */
  readonly halted: string | null;
  readonly prunedThrough: Position;
  readonly parkedStreams: number;
}

export interface ParkedStream {
  readonly stream: StreamId;
  /** The event that failed: this one and every later one of the stream wait, in order, in the log. */
  readonly firstVersion: number;
  readonly firstPosition: Position;
  readonly lastVersion: number;
  /** How many events of the projection's types wait. */
  readonly events: number;
  readonly error: string;
}

/** One runner's right to advance one revision, until another takes it or it runs out. */
export interface Lease {
  readonly projection: string;
  readonly revision: number;
  readonly holder: string;
  readonly ttlMs: number;
}

/** A revision in feed mode, of one generation of topics. */
export interface FedRevision {
  readonly projection: string;
  readonly revision: number;
  readonly generation: Generation;
}

export type Acquired =
  | {
      readonly kind: 'held';
      readonly lease: Lease;
      readonly state: RevisionState;
      readonly bookmark: Bookmark;
      /** Left behind by feed mode: what they cover is applied and must be skipped. */
      readonly marks: Marks | null;
      readonly parked: readonly ParkedStream[];
    }
  /** It is in feed mode, which needs no lease: every runner may be a member. */
  | ({ readonly kind: 'fed'; readonly state: RevisionState } & FedRevision)
  | { readonly kind: 'busy'; readonly holder: string | null }
  | { readonly kind: 'halted'; readonly reason: string }
  /** No longer the revision to run: open again. */
  | { readonly kind: 'retired' };

/** What happens in the transaction that advances the checkpoint. */
export interface Advance<T> {
  readonly tx: T;
  readonly tables: Tables;
  /** Runs `work`; when it throws, undoes what it wrote and throws the same on. */
  savepoint<R>(work: () => Promise<R>): Promise<R>;
  /** Writes a parked stream, new or changed. */
  park(stream: ParkedStream): Promise<void>;
  unpark(stream: StreamId): Promise<void>;
  /** Told in `changes` when the revision is current; in log order. Prunes to the stated number of rows. */
  changed(changes: readonly Change[]): Promise<void>;
  /** Instead of telling: as if all changes through the new checkpoint had been told and pruned. */
  prunedHere(): Promise<void>;
}

/** Rows of a revision as they were at `bookmark` and `marks`, whatever is written meanwhile. */
export interface RevisionSnapshot {
  readonly bookmark: Bookmark;
  readonly marks: Marks | null;
  readonly parked: readonly ParkedStream[];
  /** Every row of the table, ordered by `key` (its key columns as JSON, compared as UTF-8 bytes). */
  rows(table: TableSpec): AsyncIterable<{ readonly key: string; readonly columns: Record<string, unknown> }>;
  close(): Promise<void>;
}

/** `serve`: what queries read, or will once it is swapped in. The others make tables of their own. */
export type Purpose = 'serve' | 'rebuild' | 'verify';

export interface ProjectionStore<T> {
  /**
   * The revision to run, with its tables made. `serve`: the current one, or, for newer code, one that is
   * built beside it; the first of a projection is current at once. `rebuild` and `verify` make new tables,
   * after dropping what was abandoned, and `rebuild` also what was current before. A new revision starts at
   * {epoch, START, null}.
   *
   * Throws `Superseded` when newer code owns the projection; `RebuildRunning` when another rebuild holds
   * its lease.
   */
  open(projection: Projection<T>, purpose: Purpose, epoch: Epoch): Promise<number>;
  /** Takes the lease when it is free, run out or already ours; by the store's own clock. */
  acquire(projection: string, revision: number, holder: string, ttlMs: number): Promise<Acquired>;
  /** False when the lease is another's by now, or the revision is retired or halted. */
  renew(lease: Lease): Promise<boolean>;
  release(lease: Lease): Promise<void>;
  /**
   * Moves the checkpoint from → to by compare-and-set under the lease (and renews it), then does `work`,
   * in one transaction; marks that the checkpoint has passed are dropped. Throws `Fenced`, with nothing
   * written, when the checkpoint is not at `from`, the lease is another's, or the revision is retired or halted. Any other throw of the store itself leaves
   * the outcome unknown: acquire again and see.
   */
  advance(
    lease: Lease,
    from: Bookmark,
    to: Bookmark,
    work: ((advance: Advance<T>) => Promise<void>) | null,
  ): Promise<void>;
  /**
   * From log mode to feed mode, in one transaction under the lease, which ends: the checkpoint must be at
   * `from`, without marks, and the revision current. Else throws `Fenced`.
   */
  join(lease: Lease, from: Bookmark, places: Places): Promise<void>;
  /**
   * From feed mode of this generation back to log mode, in one transaction: the checkpoint becomes the least
   * of the places, what they cover beyond it becomes marks. In any other mode it does nothing.
   */
  leave(fed: FedRevision): Promise<void>;
  /** In one snapshot; null in log mode. */
  places(projection: string, revision: number): Promise<Places | null>;
  /**
   * All that are parked in the revision. Read behind the places it cannot be too old: whoever parks a stream
   * later moves the place of its partition, from which the reader then cannot go on.
   */
  parkedStreams(projection: string, revision: number): Promise<readonly ParkedStream[]>;
  /**
   * Moves the places of some partitions, each by compare-and-set, then does `work`, in one transaction;
   * those of other partitions may be moved at the same time. Throws `Fenced`, with nothing written, when any
   * is not where it is moved from, or the revision is not in feed mode of this generation any more. Any
   * other throw of the store itself leaves the outcome unknown. `work` tells no changes: they have an order.
   */
  advancePlaces(
    fed: FedRevision,
    moves: readonly Move[],
    work: ((advance: Advance<T>) => Promise<void>) | null,
  ): Promise<void>;
  /**
   * Makes the revision of the lease the current one, in one transaction, unless it is behind the current
   * one of the same epoch: behind its greatest place or mark, for its rows show that much. Where it is,
   * the current one is held still while `catchUp` advances this one to there: under a steady stream of
   * events it would never be level otherwise. `changes` of the new revision start here, and what was
   * current before leaves feed mode: its members are fenced.
   */
  promote(lease: Lease, catchUp: (to: Position) => Promise<void>): Promise<'promoted' | 'behind'>;
  /**
   * Writes why it stopped where every poll of `changes` sees it, if the checkpoint is still at `bookmark`;
   * in feed mode if any place still is, and then it goes back to log mode as well.
   */
  halt(projection: string, revision: number, bookmark: Bookmark, reason: string): Promise<void>;
  /** Gives the checkpoint and its marks the new epoch and ends the halt, if it is still at `bookmark` and in log mode. */
  adopt(projection: string, revision: number, bookmark: Bookmark, epoch: Epoch): Promise<boolean>;
  /** Of one projection, or all; by name and number. */
  revisions(projection?: string): Promise<readonly Revision[]>;
  /** Of the current revision, ordered by stream. */
  parked(
    projection: string,
    options: { readonly after?: StreamId; readonly limit: number },
  ): Promise<readonly ParkedStream[]>;
  /** Whether any of the streams is parked in the current revision. */
  isParked(projection: string, streams: readonly StreamId[]): Promise<boolean>;
  /** Drops the tables and records of a revision that is not current and whose lease nobody holds. */
  drop(projection: string, revision: number): Promise<boolean>;
  snapshot(projection: string, revision: number): Promise<RevisionSnapshot>;
  /** Whether trying the same again later can help: a lost connection, a deadlock, a full disk. */
  isTransient(error: unknown): boolean;
}

/** Rows of `changes` kept for a projection; older ones are pruned. */
export const KEPT_CHANGES_ROWS = 100_000;
/** More parked streams than this mean that the projection itself is broken. */
export const MAX_PARKED_STREAMS = 10_000;

/** Another runner has taken over: roll back. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
  constructor({
    projection,
    revision,
    holder,
  }: Pick<Lease, 'projection' | 'revision'> & { holder?: string }) {
    super(`${projection} revision ${revision}: ${holder ?? 'a member of the feed'} was fenced`);
  }
}
/** The projection's current revision was filled by newer code than this. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}
