/** Keys as rows: what the two read models have in common of loading, evolving in memory and writing back. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import type { Position } from '../../schemas/envelope.ts';
import type { EitherKeyEvent } from '../../schemas/events/keys.ts';
import type { Tables, Tx } from '../projection.ts';
import type { RowOfBoth } from './key-table.ts';

export interface StoredKey {
  readonly key: KeyState;
  readonly createdPosition: Position;
}

/** What one of the read models does in its own way. */
export interface KeyRows<Stored extends StoredKey> {
  /** Of those that are there, in any order. */
  load(tx: Tx, tables: Tables, keyIds: readonly string[]): Promise<readonly Stored[]>;
  /** What it keeps of `next`, which is `before` with the event. */
  evolve(next: StoredKey, before: Stored | null, event: EitherKeyEvent): Stored;
}

export function columnsOf({ key, createdPosition }: StoredKey): Omit<RowOfBoth, 'state'> {
  return {
    key_id: key.keyId,
    tenant: key.tenant,
    owner_id: key.ownerId,
    owner_version: key.ownerVersion,
    revoked: key.revokedAtMs !== null,
    expires_at_ms: key.expiresAtMs,
    expired: key.expired,
    created_position: createdPosition,
  };
}
