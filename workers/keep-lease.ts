/** Renewing the lease of the relay for as long as somebody works under it. */
import type { Clock } from '../commands/clock.ts';
import type { RelayLease } from './relay-lease.ts';

const RENEW_EVERY_MS = 400;

/** Until the signal aborts, or another has taken the lease: then `lost` is called. */
export async function keepLease(
  { lease, clock }: { readonly lease: Pick<RelayLease, 'hold'>; readonly clock: Clock },
  signal: AbortSignal,
  lost: () => void,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(RENEW_EVERY_MS, signal);
    if (signal.aborted) return;
    // A store that is away gives it to nobody.
    if (!(await lease.hold().catch(() => true))) return lost();
  }
}
