/** Unwrapped keys, held for a short time and never longer, newest last. */
import type { Clock } from '../../commands/clock.ts';

export interface HeldKeys<V> {
  /** Undefined once it has been held for too long. */
  get(id: string): V | undefined;
  /** `sinceMs`: when the call that brought it was *sent*. */
  set(id: string, value: V, sinceMs: number): void;
  delete(id: string): void;
  /** Forgets all. */
  clear(): void;
  size(): number;
  /** Forgets all, and stops sweeping. */
  close(): void;
}

interface Held<V> {
  readonly value: V;
  readonly sinceMs: number;
}

/** At most `maxEntries`, each dropped after `maxHeldMs` even when nobody asks again. */
export function heldKeys<V>(clock: Clock, maxHeldMs: number, maxEntries: number): HeldKeys<V> {
  const held = new Map<string, Held<V>>();
  const closed = new AbortController();
  let sweeping = false;

  // A clock that was set back must not lengthen the hold.
  const isFresh = ({ sinceMs }: Held<V>, nowMs: number) => nowMs >= sinceMs && nowMs - sinceMs <= maxHeldMs;

  async function sweep(): Promise<void> {
    while (held.size > 0 && !closed.signal.aborted) {
      await clock.sleep(maxHeldMs, closed.signal);
      const nowMs = clock.now();
      for (const [id, one] of held) if (!isFresh(one, nowMs)) held.delete(id);
    }
    sweeping = false;
  }

  return {
    get(id) {
      const one = held.get(id);
      if (!one) return undefined;
      if (isFresh(one, clock.now())) return one.value;
      held.delete(id);
      return undefined;
    },
    set(id, value, sinceMs) {
      if (closed.signal.aborted) return;
      held.delete(id);
      if (held.size >= maxEntries) held.delete(held.keys().next().value!);
      held.set(id, { value, sinceMs });
      if (sweeping) return;
      sweeping = true;
      void sweep();
    },
    delete: (id) => void held.delete(id),
    clear: () => held.clear(),
    size: () => held.size,
    close() {
      closed.abort();
      held.clear();
    },
  };
}
