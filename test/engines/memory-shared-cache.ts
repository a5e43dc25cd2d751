/** The shared cache in memory, for tests and the simulation: one object is one Redis. */

import type { SharedCache, SharedRecord } from '../../api/verify/shared-cache.ts';
import type { Clock } from '../../commands/clock.ts';

export interface MemorySharedCache extends SharedCache {
  readonly records: Map<string, SharedRecord>;
  /** As after a FLUSHALL, or a restart without its data. */
  flush(): void;
}

export function memorySharedCache({ clock }: { readonly clock: Clock }): MemorySharedCache {
  const records = new Map<string, SharedRecord>();
  const claims = new Map<string, number>();
  return {
    records,
    flush() {
      records.clear();
      claims.clear();
    },
    async getMany(names) {
      return names.map((name) => records.get(name)?.text ?? null);
    },
    async claim(names, claimMs) {
      const now = clock.now();
      return names.map((name) => {
        if ((claims.get(name) ?? 0) > now) return false;
        claims.set(name, now + claimMs);
        return true;
      });
    },
    async put(put) {
      for (const record of put) {
        claims.delete(record.name);
        const held = records.get(record.name);
        if (held === undefined || held.position <= record.position) records.set(record.name, record);
      }
    },
  };
}
