/** What keeps wrapped data keys: a table, or a map in tests. Knows nothing of the keys inside. */
import type { ErasureBatch } from '../../commands/data-keys.ts';
import type { Bookmark, Epoch, Position } from '../../schemas/envelope.ts';
import type { KeyPlace } from './wrapped-key.ts';

export interface WrappedKey extends KeyPlace {
  readonly wrapped: Uint8Array;
}

export interface KeyRecord {
  readonly keyId: string;
  /** Null: there is no such key, or its bytes are destroyed. */
  readonly key: WrappedKey | null;
  /** The highest position, in the bookmark's epoch, of an erasure that names it. */
  readonly erasedAt: Position | null;
}

/** Rows, and the follower's bookmark as the same snapshot shows it. */
export interface KeySnapshot<Row> {
  readonly rows: readonly Row[];
  readonly bookmark: Bookmark | null;
}

export interface KeyStore {
  /**
   * The active key of each place; the candidate becomes it where there is none, committed before the
   * answer. A place that another process was making active at that moment may be left out: ask again.
   */
  activate(candidates: readonly WrappedKey[]): Promise<KeySnapshot<WrappedKey>>;
  lookup(keyIds: readonly string[]): Promise<KeySnapshot<KeyRecord>>;
  /** Closes all keys of the place; answers the ids of all, those closed or destroyed before too. */
  close(tenant: string, subject: string): Promise<readonly string[]>;
  /** Closes these keys: they stay readable, and are active no more. */
  retire(keyIds: readonly string[]): Promise<void>;
  /** As `DataKeys.erase`. */
  erase(batch: ErasureBatch): Promise<'done' | 'behind'>;
  bookmark(): Promise<Bookmark | null>;
  /** The log has a new epoch (it was restored or moved): its erasures are read again from the start. */
  restart(epoch: Epoch): Promise<void>;
}
