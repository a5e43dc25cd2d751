/** Blanks the names and metadata of an erased person's keys. */
import { START } from '../../schemas/envelope.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import type { Erasure } from './erasures.ts';
import { blankErased, listedRowOf, listedTarget, loadOwnedBefore } from './listed-keys.ts';

/** Keys read and written at a time. */
const PAGE_KEYS = 500;

export async function eraseOwner(tx: Tx, tables: Tables, erasure: Erasure): Promise<void> {
  // As many rounds as the owner has pages of keys.
  for (let after = START; ; ) {
    const page = await loadOwnedBefore(tx, tables, erasure, after, PAGE_KEYS);
    const blank = page.map((stored) => blankErased(stored, erasure.position));
    const changed = blank.filter((stored, i) => stored !== page[i]);
    await upsertRows(tx, listedTarget(tables), changed.map(listedRowOf));
    if (page.length < PAGE_KEYS) return;
    after = page.at(-1)!.createdPosition;
  }
}
