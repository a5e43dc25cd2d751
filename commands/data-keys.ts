/** The port of the key store: wrapped data keys, outside the log. */
import type { Epoch, EventId, Position, TenantId } from '../schemas/envelope.ts';

export interface DataKey {
  readonly keyId: string;
  /** 32 bytes, unwrapped. Held for at most 5 s. */
  readonly key: Uint8Array;
}

/** `erased`: an erasure in the log names it, at this position. `missing`: nobody knows why it is gone. */
export type KeyLookup = DataKey | { readonly erasedAt: Position } | 'missing';

export interface DataKeys {
  /** The one active key of a subject (null: of the tenant itself), made and committed when there is none. */
  active(tenant: TenantId, subject: string | null): Promise<DataKey>;
  /** Each of the key ids, looked up together. */
  lookup(keyIds: readonly string[]): Promise<ReadonlyMap<string, KeyLookup>>;
  /** Closes every key of the subject, so that no new event is encrypted under them; answers their ids. */
  close(tenant: TenantId, subject: string): Promise<readonly string[]>;
  /** Destroys key ids that an erasure at `position` names, and moves the follower's bookmark in the same transaction. */
  erase(
    erasures: readonly { readonly keyIds: readonly string[]; readonly position: Position }[],
    bookmark: { readonly epoch: Epoch; readonly position: Position; readonly eventId: EventId | null },
  ): Promise<void>;
  /** Where the erasure follower stands: it lives here, so that a restored store forgets again. */
  bookmark(): Promise<{
    readonly epoch: Epoch;
    readonly position: Position;
    readonly eventId: EventId | null;
  } | null>;
}
