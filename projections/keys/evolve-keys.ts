/** Key events folded onto stored keys, by the same evolve that commands, verify and `asOf` fold with. */
import { evolveKey, noKey } from '../../commands/keys/key-state.ts';
import { keyIdOfStream } from '../../commands/streams.ts';
import type { EitherKeyEvent } from '../../schemas/events/keys.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { KeyRows, StoredKey } from './key-rows.ts';

/** Folds the events of one batch onto `stored`, by key id; throws `BrokenStream` for the first that cannot. */
export function evolveKeys<Stored extends StoredKey>(
  rows: KeyRows<Stored>,
  stored: Map<string, Stored>,
  events: readonly EitherKeyEvent[],
): void {
  for (const event of events) {
    const keyId = keyIdOfEvent(event);
    const before = stored.get(keyId) ?? null;
    stored.set(keyId, rows.evolve(evolveStored(before, keyId, event), before, event));
  }
}

export function keyIdOfEvent(event: EitherKeyEvent): string {
  const keyId = keyIdOfStream(event.stream);
  if (keyId === null) throw new BrokenStream(event, 'a key event outside a stream of a key');
  return keyId;
}

function evolveStored(before: StoredKey | null, keyId: string, event: EitherKeyEvent): StoredKey {
  if (event.type === 'key.issued') {
    if (before) throw new BrokenStream(event, 'the key was issued before');
    if (event.data.keyId !== keyId) throw new BrokenStream(event, 'it issues a key of another stream');
  } else if (!before) {
    throw new BrokenStream(event, 'the key was never issued');
  } else if (event.version <= before.key.version) {
    throw new BrokenStream(event, `the row is at version ${before.key.version} already`);
  }
  return {
    key: evolveKey(before?.key ?? noKey, event),
    createdPosition: before?.createdPosition ?? event.position,
  };
}
