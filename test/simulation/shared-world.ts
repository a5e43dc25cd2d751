/** The cache that processes share, with what a real one may hold as well: old entries, and those of histories that are gone. */
import { stampedEntry } from '../../api/verify/key-entry.ts';
import type { SharedCache, SharedRecord } from '../../api/verify/shared-cache.ts';
import { sharedEntries } from '../../api/verify/shared-entry.ts';
import type { Stamp } from '../../projections/projection.ts';
import type { Epoch, EventId, Position } from '../../schemas/envelope.ts';
import { Secret } from '../../schemas/secret.ts';
import { memorySharedCache } from '../engines/memory-shared-cache.ts';
import { replacing } from './replacing.ts';
import type { Scheduler } from './scheduler.ts';

export const SHARED_SECRET = new Secret(new Uint8Array(32).fill(5));
const entries = sharedEntries(SHARED_SECRET);

/** Where a tail lay that the log has lost: past everything that a schedule appends. */
export const LOST_TAIL = {
  position: '00000000000000001000' as Position,
  eventId: 'lost' as EventId,
};
/** An epoch that was before. */
export const LOST_EPOCH = 'lost-epoch' as Epoch;

/** The same entry as if it had been read at another place. */
export function restamped(name: string, text: string, to: (stamp: Stamp) => Stamp): string | null {
  const entry = entries.open(name, text);
  return entry && entries.seal(name, stampedEntry(entry, entry.key?.keyId ?? null, to(entry.stamp)));
}

/**
 * `haunted`: what is put was put before too, at a later place: by a process of an epoch that is over, under
 * its name, or of a tail that the log has lost, which nothing of the log as it is now overwrites.
 */
export function sharedWorld(scheduler: Scheduler, haunted: 'no' | 'tail' | 'epoch'): SharedCache {
  const memory = memorySharedCache({ clock: scheduler.clock });
  const old = new Map<string, SharedRecord>();
  return replacing<SharedCache>(memory, {
    async getMany(names) {
      const odds = scheduler.random();
      if (odds < 0.03) memory.flush();
      // Somebody who can write there puts back what was overwritten.
      else if (odds < 0.15) for (const [name, record] of old) memory.records.set(name, record);
      return memory.getMany(names);
    },
    async put(records) {
      for (const record of records) if (!old.has(record.name)) old.set(record.name, record);
      await memory.put(records);
      if (haunted === 'no') return;
      for (const { name, text } of records) {
        const then = haunted === 'epoch' ? inLostEpoch(name) : name;
        const entry = entries.open(name, text);
        const epoch = haunted === 'epoch' ? LOST_EPOCH : entry!.stamp.epoch;
        const stamp = { ...entry!.stamp, ...LOST_TAIL, epoch };
        const lost = entries.seal(then, stampedEntry(entry!, entry!.key!.keyId, stamp));
        if (!memory.records.get(then)?.text.includes(LOST_TAIL.eventId)) {
          await memory.put([{ name: then, position: LOST_TAIL.position, text: lost! }]);
        }
      }
    },
  });
}

/** What an entry was called in the epoch that is over. */
export function inLostEpoch(name: string): string {
  return `${LOST_EPOCH} ${name.split(' ').slice(1).join(' ')}`;
}

/** An entry of the epoch that is over, as if it were of this one. */
export function fromLostEpoch(name: string, text: string | null): string | null {
  const entry = text === null ? null : entries.open(inLostEpoch(name), text);
  if (entry === null) return null;
  const stamp = { ...entry.stamp, epoch: name.split(' ')[0] as Epoch };
  return entries.seal(name, stampedEntry(entry, entry.key!.keyId, stamp));
}
