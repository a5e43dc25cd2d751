/** Key events folded onto the rows that are stored: the one place from which both key projections get them. */
import type { EitherKeyEvent } from '../../schemas/events/keys.ts';
import type { Tables, Tx } from '../projection.ts';
import { evolveKeys, keyIdOfEvent } from './evolve-keys.ts';
import type { KeyRows, StoredKey } from './key-rows.ts';

/** Keys by id, as they were and as the batch leaves them. */
export interface Folded<Stored extends StoredKey> {
  readonly before: ReadonlyMap<string, Stored>;
  readonly after: Map<string, Stored>;
}

export async function foldKeys<Stored extends StoredKey>(
  rows: KeyRows<Stored>,
  tx: Tx,
  tables: Tables,
  events: readonly EitherKeyEvent[],
): Promise<Folded<Stored>> {
  // The first event of a stream is among them: there is no row to load.
  const fresh = new Set(events.filter((event) => event.version === 1).map(keyIdOfEvent));
  const ofFresh: EitherKeyEvent[] = [];
  const ofKnown: EitherKeyEvent[] = [];
  for (const event of events) (fresh.has(keyIdOfEvent(event)) ? ofFresh : ofKnown).push(event);
  const after = new Map<string, Stored>();
  const before = new Map<string, Stored>();
  const loading = rows.load(tx, tables, [...new Set(ofKnown.map(keyIdOfEvent))]);
  try {
    // While the database looks for the others.
    evolveKeys(rows, after, ofFresh);
  } finally {
    for (const one of await loading) before.set(one.key.keyId, one);
  }
  for (const [keyId, one] of before) after.set(keyId, one);
  evolveKeys(rows, after, ofKnown);
  return { before, after };
}
