/** Blanks the names and metadata of an erased person's keys. */
import { type Position, START } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { blankErased, loadOwnedBefore, rowOf } from './key-rows.ts';
import { keysTarget } from './keys-tables.ts';
import type { OwnerRef } from './owner-rows.ts';

/** Keys read and written at a time. */
const PAGE_KEYS = 500;

export async function eraseOwner(
  tx: Tx,
  tables: Tables,
  owner: OwnerRef & { readonly position: Position },
): Promise<void> {
  // As many rounds as the owner has pages of keys.
  for (let after = START; ; ) {
    const page = await loadOwnedBefore(tx, tables, owner, after, PAGE_KEYS);
    const blank = page.map((stored) => blankErased(stored, owner.position));
    const changed = blank.filter((stored, i) => stored !== page[i]);
    await upsertRows(tx, keysTarget(tables), changed.map(rowOf));
    if (page.length < PAGE_KEYS) return;
    after = page.at(-1)!.createdPosition;
  }
}
