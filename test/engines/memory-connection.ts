/** A connection to the projection store in memory: every step takes a turn, and it can be lost at each. */
import type { Advance } from '../../projections/store.ts';
import type { MemoryRevisions, StoredRevision } from './memory-revisions.ts';
import { type Draft, type MemoryTx, memoryTx } from './memory-transaction.ts';

export class MemoryConnection {
  readonly #revisions: MemoryRevisions;
  readonly #turnGiven: (label: string) => Promise<void>;
  readonly #lost = new WeakSet<Error>();
  readonly #open = new Set<(error: Error) => void>();
  #crashed = false;

  constructor(revisions: MemoryRevisions, turn: (label: string) => Promise<void>) {
    this.#revisions = revisions;
    this.#turnGiven = turn;
  }

  crash(): void {
    this.#crashed = true;
    for (const drop of [...this.#open]) drop(this.#gone());
  }

  isTransient(error: unknown): boolean {
    return error instanceof Error && this.#lost.has(error);
  }

  async turn(label: string): Promise<void> {
    this.#check();
    try {
      await this.#turnGiven(label);
    } catch (error) {
      // What the scheduler breaks is the connection, never the event.
      this.#lost.add(error as Error);
      throw error;
    }
    this.#check();
  }

  /** One statement: waits for the row locks, then happens at once. */
  async statement<R>(label: string, names: readonly string[], effect: () => R): Promise<R> {
    await this.turn(`store.${label}`);
    const answer = this.#happen(await this.#revisions.locks.take(names), effect);
    if (names.length > 0) this.#revisions.committed();
    await this.turn(`store.${label}.answer`);
    return answer;
  }

  /** A statement over the checkpoint of a revision and all its places. */
  async overAll<R>(
    label: string,
    projection: string,
    revision: number,
    effect: (r: StoredRevision | undefined) => R,
  ): Promise<R> {
    await this.turn(`store.${label}`);
    const release = await this.#revisions.lockAll(projection, revision);
    const answer = this.#happen(release, () => effect(this.#revisions.get(projection, revision)));
    this.#revisions.committed();
    await this.turn(`store.${label}.answer`);
    return answer;
  }

  /** A transaction: `dropped` rejects when the connection crashes, whatever it waits for. */
  async droppable<R>(work: (dropped: Promise<never>) => Promise<R>): Promise<R> {
    this.#check();
    const { promise: dropped, reject: drop } = Promise.withResolvers<never>();
    dropped.catch(() => {});
    this.#open.add(drop);
    try {
      return await work(dropped);
    } finally {
      this.#open.delete(drop);
    }
  }

  inTransaction(draft: Draft): Omit<Advance<MemoryTx>, 'changed' | 'prunedHere'> {
    return {
      tx: memoryTx(
        () => draft,
        (label) => this.turn(label),
      ),
      tables: (name) => name,
      async savepoint(inner) {
        const { written } = draft;
        try {
          return await inner();
        } catch (error) {
          draft.undo(written);
          throw error;
        }
      },
      async park(stream) {
        draft.park(stream.stream, stream);
      },
      async unpark(stream) {
        draft.park(stream, null);
      },
    };
  }

  #happen<R>(release: () => void, effect: () => R): R {
    try {
      this.#check();
      return effect();
    } finally {
      release();
    }
  }

  #check(): void {
    if (this.#crashed) throw this.#gone();
  }

  #gone(): Error {
    const error = new Error('the connection is lost');
    this.#lost.add(error);
    return error;
  }
}
