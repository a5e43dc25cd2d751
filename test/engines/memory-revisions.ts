/** The revisions that the projection store in memory holds, their locks, and how far each is. */
import type { Clock } from '../../commands/clock.ts';
import {
  greatestPosition,
  leastPlace,
  type Marks,
  marksOf,
  type Place,
  type Places,
} from '../../projections/places.ts';
import type { Projection, Stamp } from '../../projections/projection.ts';
import type { Lease, RevisionState } from '../../projections/store.ts';
import { type Bookmark, type Epoch, type Position, START } from '../../schemas/envelope.ts';
import type { Generation } from '../../schemas/topics.ts';
import { type Data, type MemoryTx, NO_DATA } from './memory-transaction.ts';
import { RowLocks } from './row-locks.ts';

export interface StoredRevision {
  readonly projection: string;
  readonly revision: number;
  readonly codeRevision: number;
  state: RevisionState;
  bookmark: Bookmark;
  /** By domain and partition; null: log mode. */
  feed: (Generation & { readonly places: Map<string, Place> }) | null;
  marks: Marks | null;
  holder: string | null;
  leaseUntilMs: number;
  halted: string | null;
  data: Data;
}

export interface Seen {
  readonly stamp: Stamp;
  readonly feed: Generation | null;
  /** What is applied beyond the stamp: the places in feed mode, or the marks that they left. */
  readonly marks: Marks | null;
  readonly halted: string | null;
  readonly data: Data;
}

export class MemoryRevisions {
  readonly clock: Clock;
  readonly locks = new RowLocks();
  readonly #stored = new Map<string, StoredRevision>();
  readonly #last = new Map<string, number>();
  readonly #hints = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get(projection: string, revision: number): StoredRevision | undefined {
    return this.#stored.get(idOf(projection, revision));
  }

  all(): readonly StoredRevision[] {
    return [...this.#stored.values()];
  }

  of(projection: string): readonly StoredRevision[] {
    return this.all().filter((r) => r.projection === projection);
  }

  current(projection: string): StoredRevision | undefined {
    return this.of(projection).find((r) => r.state === 'current');
  }

  create(projection: Projection<MemoryTx>, state: RevisionState, epoch: Epoch): number {
    const revision = (this.#last.get(projection.name) ?? 0) + 1;
    this.#last.set(projection.name, revision);
    this.#stored.set(idOf(projection.name, revision), {
      projection: projection.name,
      revision,
      codeRevision: projection.revision,
      state,
      bookmark: { epoch, position: START, eventId: null },
      feed: null,
      marks: null,
      holder: null,
      leaseUntilMs: 0,
      halted: null,
      data: NO_DATA,
    });
    return revision;
  }

  drop({ projection, revision }: StoredRevision): boolean {
    return this.#stored.delete(idOf(projection, revision));
  }

  leased(r: StoredRevision): boolean {
    return r.holder !== null && r.leaseUntilMs > this.clock.now();
  }

  /** The checkpoint, then the places: whoever moves one of those holds nothing else. */
  async lockAll(projection: string, revision: number): Promise<() => void> {
    const id = idOf(projection, revision);
    const checkpoint = await this.locks.take([id]);
    const places = [...(this.get(projection, revision)?.feed?.places.keys() ?? [])];
    const all = await this.locks.take(places.map((name) => `${id}/${name}`));
    return () => {
      all();
      checkpoint();
    };
  }

  /** To be called behind every commit. */
  committed(): void {
    for (const hint of this.#hints) hint();
  }

  onCommit(hint: () => void): () => void {
    this.#hints.add(hint);
    return () => this.#hints.delete(hint);
  }
}

/** Names its row in the locks. */
export function idOf(projection: string, revision: number): string {
  return `${projection}/${revision}`;
}

export function isHeld(r: StoredRevision | undefined, lease: Lease): r is StoredRevision {
  return r !== undefined && r.holder === lease.holder && r.state !== 'old' && r.halted === null;
}

export function placesOf({ generation, partitions, places }: NonNullable<StoredRevision['feed']>): Places {
  return { generation, partitions, places: [...places.values()] };
}

export function generationOf({ feed }: StoredRevision): Generation | null {
  return feed && { generation: feed.generation, partitions: feed.partitions };
}

export function bookmarkOf({ feed, bookmark }: StoredRevision): Bookmark {
  return feed ? leastPlace(placesOf(feed).places).bookmark : bookmark;
}

export function shownBeyond({ feed, marks }: StoredRevision): Marks | null {
  return feed ? marksOf(placesOf(feed)) : marks;
}

export function reachedBy(r: StoredRevision): { readonly epoch: Epoch; readonly greatest: Position } {
  const bookmark = bookmarkOf(r);
  return { epoch: bookmark.epoch, greatest: greatestPosition(bookmark, shownBeyond(r)) };
}

export function leaveFeed(r: StoredRevision): void {
  if (r.feed === null) return;
  [r.bookmark, r.marks] = [bookmarkOf(r), shownBeyond(r)];
  r.feed = null;
}
