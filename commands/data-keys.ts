/** The port of the key store: wrapped data keys, outside the log. Contract: `test/contracts/data-keys.ts`. */
import type { KeyObject } from 'node:crypto';
import type { Bookmark, Position, TenantId } from '../schemas/envelope.ts';

/** No process holds an unwrapped data key for longer, in milliseconds of its own clock. */
export const MAX_HELD_MS = 5_000;

export interface DataKey {
  readonly keyId: string;
  /** AES-256, unwrapped; a `KeyObject`, so that it cannot be printed or serialised. */
  readonly key: KeyObject;
  /** Nothing may be encrypted under it later than this: ask again. */
  readonly usableUntilMs: number;
}

/** `erased`: an erasure in the log names it, at this position. `missing`: nobody knows why it is gone. */
export type KeyLookup = DataKey | { readonly erasedAt: Position } | 'missing';

/** What the erasure follower read in one go: all erasures after `after` and through the bookmark. */
export interface ErasureBatch {
  readonly after: Position;
  readonly erasures: readonly { readonly keyIds: readonly string[]; readonly position: Position }[];
  readonly bookmark: Bookmark;
}

export interface DataKeys {
  /** The one active key of a subject (null: of the tenant itself), made and committed when there is none. */
  active(tenant: TenantId, subject: string | null): Promise<DataKey>;
  /** Each of the key ids, looked up together. Throws `KeyStoreBehind` while the store needs its follower. */
  lookup(keyIds: readonly string[]): Promise<ReadonlyMap<string, KeyLookup>>;
  /** Closes every key of the subject, so that no new event is encrypted under them; answers their ids. */
  close(tenant: TenantId, subject: string): Promise<readonly string[]>;
  /**
   * Destroys key ids that erasures in the log name, and moves the follower's bookmark, in one
   * transaction. From then on this process refuses them whatever the store says. `behind`: the store
   * stands before `after`, or in another epoch, for it was restored; nothing was done: resume from
   * its own bookmark.
   */
  erase(batch: ErasureBatch): Promise<'done' | 'behind'>;
  /** Where the erasure follower stands: it lives here, so that a restored store forgets again. */
  bookmark(): Promise<Bookmark | null>;
}

/**
 * The store stands before what this process was told: it was restored to an earlier copy and may hold
 * keys that an erasure has named. Transient: the follower makes it forget again.
 */
export class KeyStoreBehind extends Error {
  override readonly name = 'KeyStoreBehind';
}
