/** What a query answers about a key. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import type { OwnerState } from '../../commands/keys/owner-state.ts';
import type { Position } from '../../schemas/envelope.ts';
import type { KeyStatus } from '../../schemas/views/keys.ts';

export interface KeyRecord {
  /** `key.version` is what an ETag is made of. */
  readonly key: KeyState;
  /** Its owner's state; `noOwner` when it has none or nothing was ever done to all of the owner's keys. */
  readonly owner: OwnerState;
  /** Judged at the time that the query was given. */
  readonly status: KeyStatus;
  readonly createdPosition: Position;
  /** Of the last event of the key's stream. */
  readonly position: Position;
  /** Null: not once that the usage read model knows of. */
  readonly lastUsedAtMs: number | null;
}
