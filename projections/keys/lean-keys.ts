/** Keys as verify finds them: without name and metadata. */
import { type KeyState, lean } from '../../commands/keys/key-state.ts';
import { ownerStream } from '../../commands/streams.ts';
import type { Position, StreamId } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';
import { columnsOf, type KeyRows, type StoredKey } from './key-rows.ts';
import { keyTarget, leanColumns, type RowOf } from './key-table.ts';

export interface LeanKey extends StoredKey {
  /** Of its owner; null without one. Hashed once, when the key is issued. */
  readonly ownerStream: StreamId | null;
}

interface Loaded {
  created_position: Position;
  owner_stream: StreamId | null;
  state: string;
}

export const leanKeys: KeyRows<LeanKey> = {
  async load(tx: Tx, tables: Tables, keyIds) {
    if (keyIds.length === 0) return [];
    const rows = await tx.query<Loaded>(
      `SELECT k.created_position, k.owner_stream, k.state FROM ${tables('keys')} k
       WHERE k.key_id = ANY($1::text[])`,
      [keyIds],
    );
    return rows.map((row) => ({
      key: JSON.parse(row.state) as KeyState,
      createdPosition: row.created_position,
      ownerStream: row.owner_stream,
    }));
  },
  evolve({ key, createdPosition }, before) {
    // A key never changes owner.
    if (before) return { key, createdPosition, ownerStream: before.ownerStream };
    const stream = key.ownerId === null ? null : ownerStream(key.tenant, key.ownerId);
    return { key, createdPosition, ownerStream: stream };
  },
};

export function leanTarget(tables: Tables): UpsertTable {
  return keyTarget(tables, leanColumns);
}

export function leanRowOf(stored: LeanKey): RowOf<typeof leanColumns> {
  return {
    ...columnsOf(stored),
    owner_stream: stored.ownerStream,
    // An object, which is not escaped twice. Name and metadata alone could hold what PostgreSQL refuses.
    state: lean(stored.key),
  };
}
