/** The lease of the relay in memory: one row that all relays see. */
import type { Clock } from '../../commands/clock.ts';
import { RELAY_LEASE_MS, type RelayLease } from '../../workers/relay-lease.ts';

/** Connects a relay; each with a holder of its own. `turn` is awaited before each effect and each answer. */
export function memoryRelayLeases(
  clock: Clock,
  leaseMs = RELAY_LEASE_MS,
): (holder: string, turn?: (label: string) => Promise<void>) => RelayLease {
  let held: { readonly holder: string; readonly untilMs: number } | null = null;
  return (holder, turn = () => Promise.resolve()) => {
    const call = async <R>(label: string, effect: () => R): Promise<R> => {
      await turn(`lease.${label}`);
      const answer = effect();
      await turn(`lease.${label}.answer`);
      return answer;
    };
    return {
      hold: () =>
        call('hold', () => {
          const nowMs = clock.now();
          if (held !== null && held.holder !== holder && held.untilMs > nowMs) return false;
          held = { holder, untilMs: nowMs + leaseMs };
          return true;
        }),
      seize: () =>
        call('seize', () => {
          held = { holder, untilMs: clock.now() + leaseMs };
        }),
      release: () =>
        call('release', () => {
          if (held?.holder === holder) held = null;
        }),
    };
  };
}
