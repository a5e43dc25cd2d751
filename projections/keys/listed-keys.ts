/** Keys as management lists them: with name and metadata, and the positions at which these were set. */
import type { KeyState } from '../../commands/keys/key-state.ts';
import { type Position, START } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';
import type { UpsertTable } from '../upsert-rows.ts';
import { columnsOf, type KeyRows, type StoredKey } from './key-rows.ts';
import { keyTarget, listedColumns, type RowOf } from './key-table.ts';

export interface ListedKey extends StoredKey {
  readonly position: Position;
  readonly namePosition: Position;
  readonly metadataPosition: Position;
}

interface Loaded {
  created_position: Position;
  position: Position;
  name_position: Position;
  metadata_position: Position;
  state: string;
}

const LOADED = 'k.created_position, k.position, k.name_position, k.metadata_position, k.state';

export const listedKeys: KeyRows<ListedKey> = {
  async load(tx, tables, keyIds) {
    if (keyIds.length === 0) return [];
    const rows = await tx.query<Loaded>(
      `SELECT ${LOADED} FROM ${tables('keys')} k WHERE k.key_id = ANY($1::text[])`,
      [keyIds],
    );
    return rows.map(storedOf);
  },
  evolve({ key, createdPosition }, before, { type, position }) {
    const issued = type === 'key.issued';
    return {
      key,
      createdPosition,
      position,
      namePosition: issued || type === 'key.renamed' ? position : (before?.namePosition ?? START),
      metadataPosition:
        issued || type === 'key.metadata-changed' ? position : (before?.metadataPosition ?? START),
    };
  },
};

/** Keys of an owner that were issued before its erasure at `position`, and after `after`; oldest first. */
export async function loadOwnedBefore(
  tx: Tx,
  tables: Tables,
  owner: { readonly tenant: string; readonly ownerId: string; readonly position: Position },
  after: Position,
  limit: number,
): Promise<ListedKey[]> {
  const rows = await tx.query<Loaded>(
    `SELECT ${LOADED} FROM ${tables('keys')} k
     WHERE k.tenant = $1 AND k.owner_id = $2 AND k.created_position > $3 AND k.created_position < $4
     ORDER BY k.created_position LIMIT $5`,
    [owner.tenant, owner.ownerId, after, owner.position, limit],
  );
  return rows.map(storedOf);
}

function storedOf(row: Loaded): ListedKey {
  return {
    key: JSON.parse(row.state) as KeyState,
    createdPosition: row.created_position,
    position: row.position,
    namePosition: row.name_position,
    metadataPosition: row.metadata_position,
  };
}

/** Blanks what was set before the person's erasure. Does not depend on the order of the two. */
export function blankErased(stored: ListedKey, erased: Position): ListedKey {
  const { key } = stored;
  const name = stored.namePosition < erased ? null : key.name;
  const metadata = stored.metadataPosition < erased ? null : key.metadata;
  return name === key.name && metadata === key.metadata
    ? stored
    : { ...stored, key: { ...key, name, metadata } };
}

export function listedTarget(tables: Tables): UpsertTable {
  return keyTarget(tables, listedColumns);
}

export function listedRowOf(stored: ListedKey): RowOf<typeof listedColumns> {
  const { key } = stored;
  return {
    ...columnsOf(stored),
    use: key.use,
    name_search: key.name === null ? null : searchable(key.name),
    scopes: key.scopes,
    disabled: key.disabled,
    not_before_ms: key.notBeforeMs,
    created_at_ms: key.createdAtMs,
    position: stored.position,
    name_position: stored.namePosition,
    metadata_position: stored.metadataPosition,
    state: fitsJsonColumn(key) ? key : JSON.stringify(key),
  };
}

/**
 * Written as an object the state becomes the same text as written as a string, but is not escaped twice:
 * a batch measured 0.70 of the speed of its bare upserts, against 0.61. Then PostgreSQL looks inside, and
 * refuses U+0000 and lone surrogates. Only what people write can hold them; JSON escapes both, so they are
 * easy to see.
 */
function fitsJsonColumn({ name, metadata }: KeyState): boolean {
  return !/\\u(?:0000|d[89a-f])/i.test(JSON.stringify([name, metadata]));
}

/** Lower case, and without U+0000 and lone surrogates, which a text column refuses. */
export function searchable(text: string): string {
  return text.toLowerCase().replaceAll('\u0000', '').toWellFormed();
}
