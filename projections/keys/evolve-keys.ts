/** Key events folded onto stored keys, by the same evolve that commands, verify and `asOf` fold with. */
import { evolveKey, noKey } from '../../commands/keys/key-state.ts';
import { keyIdOfStream, ownerStream } from '../../commands/streams.ts';
import { START } from '../../schemas/envelope.ts';
import type { DecodedKeyEvent } from '../../schemas/events/keys.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { StoredKey } from './key-rows.ts';

/** Folds the events of one batch onto `stored`, by key id; throws `BrokenStream` for the first that cannot. */
export function evolveKeys(stored: Map<string, StoredKey>, events: readonly DecodedKeyEvent[]): void {
  for (const event of events) {
    const keyId = keyIdOfEvent(event);
    stored.set(keyId, evolveStored(stored.get(keyId) ?? null, keyId, event));
  }
}

export function keyIdOfEvent(event: DecodedKeyEvent): string {
  const keyId = keyIdOfStream(event.stream);
  if (keyId === null) throw new BrokenStream(event, 'a key event outside a stream of a key');
  return keyId;
}

function evolveStored(before: StoredKey | null, keyId: string, event: DecodedKeyEvent): StoredKey {
  const { position, type } = event;
  if (type === 'key.issued') {
    if (before) throw new BrokenStream(event, 'the key was issued before');
    if (event.data.keyId !== keyId) throw new BrokenStream(event, 'it issues a key of another stream');
  } else if (!before) {
    throw new BrokenStream(event, 'the key was never issued');
  } else if (event.version <= before.key.version) {
    throw new BrokenStream(event, `the row is at version ${before.key.version} already`);
  }
  const key = evolveKey(before?.key ?? noKey, event);
  return {
    key,
    createdPosition: before?.createdPosition ?? position,
    position,
    namePosition:
      type === 'key.issued' || type === 'key.renamed' ? position : (before?.namePosition ?? START),
    metadataPosition:
      type === 'key.issued' || type === 'key.metadata-changed'
        ? position
        : (before?.metadataPosition ?? START),
    // A key never changes owner.
    ownerStream: before
      ? before.ownerStream
      : key.ownerId === null
        ? null
        : ownerStream(key.tenant, key.ownerId),
  };
}
