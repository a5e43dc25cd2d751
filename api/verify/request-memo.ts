/**
 * What a request id has spent: a retry within 60 s judges everything else anew and spends nothing more;
 * a duplicate that is still under way shares the spending. Known to this process only: a retry that
 * reaches another process spends again.
 */
import type { Clock } from '../../commands/clock.ts';
import { REQUEST_ID_SECONDS } from '../../schemas/commands/verify.ts';

/** About 300 bytes each. When full, the oldest go first, and that is counted. */
export const MAX_REQUEST_IDS = 100_000;

interface Memo<T> {
  readonly fingerprint: string;
  readonly atMs: number;
  /** Null: nothing has been spent under this id yet. */
  spending: T | Promise<T> | null;
}

export class RequestMemo<T> {
  readonly #clock: Clock;
  readonly #maxRequestIds: number;
  /** Oldest first. */
  readonly #memos = new Map<string, Memo<T>>();
  #evicted = 0;

  constructor(clock: Clock, maxRequestIds = MAX_REQUEST_IDS) {
    this.#clock = clock;
    this.#maxRequestIds = maxRequestIds;
  }

  get size(): number {
    return this.#memos.size;
  }

  /** Ids forgotten before their time: a retry of one of these spends again. */
  get evicted(): number {
    return this.#evicted;
  }

  /**
   * Spends at most once under an id.
   *
   * @param fingerprint what the spending is of; `'reused'` when the id came with another one before
   * @param spend its result is kept when `spent` says that something was spent, else tried anew
   */
  once(
    id: string,
    fingerprint: string,
    spend: () => T | Promise<T>,
    spent: (result: T) => boolean,
  ): T | Promise<T> | 'reused' {
    const nowMs = this.#clock.now();
    this.#expire(nowMs);
    let memo = this.#memos.get(id);
    if (memo === undefined) {
      memo = { fingerprint, atMs: nowMs, spending: null };
      this.#memos.set(id, memo);
      if (this.#memos.size > this.#maxRequestIds) {
        this.#memos.delete(this.#memos.keys().next().value!);
        this.#evicted++;
      }
    }
    if (memo.fingerprint !== fingerprint) return 'reused';
    if (memo.spending !== null) return memo.spending;
    const result = spend();
    if (!(result instanceof Promise)) {
      if (spent(result)) memo.spending = result;
      return result;
    }
    const own = memo;
    own.spending = result.then(
      (value) => {
        own.spending = spent(value) ? value : null;
        return value;
      },
      (error: unknown) => {
        own.spending = null;
        throw error;
      },
    );
    return own.spending;
  }

  #expire(nowMs: number): void {
    for (const [id, memo] of this.#memos) {
      const ageMs = nowMs - memo.atMs;
      if (ageMs < REQUEST_ID_SECONDS * 1000) return;
      this.#memos.delete(id);
    }
  }
}
