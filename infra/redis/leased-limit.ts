/**
 * One limit as a process knows it: what Redis said of it last, and the units that were leased of it there.
 * How many are asked for, how long they last, and what goes back of them; why, says `lease-book.ts`.
 */
import type { LimitSpend } from '../../api/verify/limiter.ts';
import { type Meter, usedNow } from '../../commands/keys/gcra.ts';
import type { GcraAsk } from './gcra.ts';

/** All processes together lease this part of a limit at most. */
const LEASED_PART = 4;
const WINDOW_PART = 100;
const MAX_LEASE_MS = 1_000;
/** Smaller limits are never leased: every unit is asked for. */
const MIN_BLOCK_UNITS = 2;

export interface LeasedLimit {
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
  /** What Redis said, with all that is leased, on the clock of this process. */
  meter: Meter;
  /** When it was last asked; what is leased counts from then. */
  askedAtMs: number;
  /** Of the lease: units left, until when, and what it began with. */
  left: number;
  untilMs: number;
  grantedAtMs: number;
  block: number;
  /** No lease since the last call to Redis has expired unspent. */
  needed: boolean;
  /** Units wanted in calls that are under way. */
  wanted: number;
}

/** Units that expired unspent. */
export interface LeaseReturn {
  readonly name: string;
  readonly ask: GcraAsk;
}

/** Of which nothing was asked yet. */
export function unleased(name: string, { limit, windowSeconds }: LimitSpend, nowMs: number): LeasedLimit {
  return {
    ...{ name, limit, windowSeconds, meter: { used: 0, atMs: nowMs }, askedAtMs: nowMs },
    ...{ left: 0, untilMs: 0, grantedAtMs: 0, block: 0, needed: true, wanted: 0 },
  };
}

export function leaseMs({ windowSeconds }: Pick<LimitSpend, 'windowSeconds'>): number {
  return Math.min(MAX_LEASE_MS, (windowSeconds * 1000) / WINDOW_PART);
}

/** Whether the lease has as many units. */
export function covers(of: LeasedLimit, cost: number, nowMs: number): boolean {
  return of.untilMs > nowMs && of.left >= cost;
}

/** Units used by others and by this process: what is leased and left, this process could spend. */
export function usedOf(of: LeasedLimit, nowMs: number): number {
  return Math.max(0, usedNow(of.meter, of, nowMs) - (of.untilMs > nowMs ? of.left : 0));
}

/**
 * Units to ask for: as many as were used up in the time of the last lease, or twice as many where it was too
 * small.
 */
export function wantOf(of: LeasedLimit, cost: number, processes: number, nowMs: number): number {
  const block = Math.floor(of.limit / (LEASED_PART * Math.max(1, processes)));
  if (block < MIN_BLOCK_UNITS) return 0;
  if (nowMs - of.askedAtMs > 2 * leaseMs(of)) return 0;
  const more = Math.max(MIN_BLOCK_UNITS * Math.max(1, cost), of.block * 2);
  const units = of.needed ? more : of.block;
  const held = of.wanted + of.left;
  return Math.max(0, Math.min(units, block - held));
}

/** @param grantedAtMs by the clock of Redis; @param sentMs when it was asked, by ours */
export function grant(of: LeasedLimit, units: number, grantedAtMs: number, sentMs: number): void {
  if (of.left === 0) {
    of.block = units;
    of.untilMs = sentMs + leaseMs(of);
    of.needed = true;
    of.grantedAtMs = grantedAtMs;
  } else {
    // It joins the older lease, and ends with it.
    of.block += units;
  }
  of.left += units;
}

/** What is left goes back. Null: nothing is. */
export function expire(of: LeasedLimit): LeaseReturn | null {
  if (of.left === 0) return null;
  const { name, limit, windowSeconds, left: back, grantedAtMs: backAtMs } = of;
  of.block -= back;
  of.needed = false;
  of.left = 0;
  return { name, ask: { limit, windowSeconds, need: 0, want: 0, back, backAtMs } };
}

/**
 * What is left goes back as units of the limit that it is now, less what may have run out at the rate that it
 * had. Null: nothing is.
 */
export function expireChanged(of: LeasedLimit, { limit, windowSeconds }: LimitSpend): LeaseReturn | null {
  const ranOut = (leaseMs(of) * of.limit) / (of.windowSeconds * 1000);
  return expire({ ...of, limit, windowSeconds, left: Math.max(0, of.left - ranOut) });
}
