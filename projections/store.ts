/**
 * The port of the store that projections live in: revisions with tables of their own, checkpoints, the
 * parked list and `changes`. Its contract is `test/contracts/projection-store.ts`.
 *
 * A storage revision is one set of tables (`rm_<name>_<revision>`), numbered from 1 for each projection;
 * it remembers the code revision (`Projection.revision`) that fills it, so that the same code can be
 * rebuilt beside itself. Stamps carry the storage revision.
 */
import type { Bookmark, Epoch, Position, StreamId } from '../schemas/envelope.ts';
import type { Change } from './changes.ts';
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
  readonly bookmark: Bookmark;
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

export type Acquired =
  | {
      readonly kind: 'held';
      readonly lease: Lease;
      readonly state: RevisionState;
      readonly bookmark: Bookmark;
      readonly parked: readonly ParkedStream[];
    }
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

/** Rows of a revision as they were at `bookmark`, whatever is written meanwhile. */
export interface RevisionSnapshot {
  readonly bookmark: Bookmark;
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
   * in one transaction. Throws `Fenced`, with nothing written, when the checkpoint is not at `from`, the
   * lease is another's, or the revision is retired or halted. Any other throw of the store itself leaves
   * the outcome unknown: acquire again and see.
   */
  advance(
    lease: Lease,
    from: Bookmark,
    to: Bookmark,
    work: ((advance: Advance<T>) => Promise<void>) | null,
  ): Promise<void>;
  /**
   * Makes the revision of the lease the current one, in one transaction, unless it is behind the current
   * one of the same epoch. Where it is, the current one is held still while `catchUp` advances this one
   * to its position: under a steady stream of events it would never be level otherwise. `changes` of the
   * new revision start here.
   */
  promote(lease: Lease, catchUp: (to: Position) => Promise<void>): Promise<'promoted' | 'behind'>;
  /** Writes why it stopped where every poll of `changes` sees it, if the checkpoint is still at `bookmark`. */
  halt(projection: string, revision: number, bookmark: Bookmark, reason: string): Promise<void>;
  /** Gives the checkpoint the new epoch and ends the halt, if it is still at `bookmark`. */
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
  constructor(lease: Lease) {
    super(`${lease.projection} revision ${lease.revision}: ${lease.holder} was fenced`);
  }
}
/** The projection's current revision was filled by newer code than this. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}
