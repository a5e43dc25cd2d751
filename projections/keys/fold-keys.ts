/** Key events folded onto the rows that are stored: the one place from which both key projections get them. */
import type { DecodedKeyEvent } from '../../schemas/events/keys.ts';
import type { Tables, Tx } from '../projection.ts';
import { evolveKeys, keyIdOfEvent } from './evolve-keys.ts';
import { loadKeys, type StoredKey } from './key-rows.ts';

/** Keys by id, as they were and as the batch leaves them. */
export interface Folded {
  readonly before: ReadonlyMap<string, StoredKey>;
  readonly after: Map<string, StoredKey>;
}

export async function foldKeys(tx: Tx, tables: Tables, events: readonly DecodedKeyEvent[]): Promise<Folded> {
  // The first event of a stream is among them: there is no row to load.
  const fresh = new Set(events.filter((event) => event.version === 1).map(keyIdOfEvent));
  const ofFresh: DecodedKeyEvent[] = [];
  const ofKnown: DecodedKeyEvent[] = [];
  for (const event of events) (fresh.has(keyIdOfEvent(event)) ? ofFresh : ofKnown).push(event);
  const after = new Map<string, StoredKey>();
  const before = new Map<string, StoredKey>();
  const loading = loadKeys(tx, tables, [...new Set(ofKnown.map(keyIdOfEvent))]);
  try {
    // While the database looks for the others.
    evolveKeys(after, ofFresh);
  } finally {
    for (const one of await loading) before.set(one.key.keyId, one);
  }
  for (const [keyId, one] of before) after.set(keyId, one);
  evolveKeys(after, ofKnown);
  return { before, after };
}
