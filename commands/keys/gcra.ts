/**
 * The generic cell rate algorithm, as a meter: what was spent runs out of the bucket evenly over the
 * window. It is the theoretical arrival time told in units instead of as an instant, because instants in
 * milliseconds since 1970 have no room in a double for the thousandths that a large limit needs.
 */

/** Of one limit of one key: `used` units at `atMs`. Absent: nothing was ever spent. */
export interface Meter {
  readonly used: number;
  readonly atMs: number;
}

export interface Rate {
  /** Units that a window admits, and that can be spent at once. */
  readonly limit: number;
  readonly windowSeconds: number;
}

/** What rounding may add up to; far below one unit. */
const TOLERANCE_UNITS = 1e-6;

/** Units in the bucket now. A clock that went back runs nothing out; a limit that was lowered is full at most. */
export function usedNow(meter: Meter | undefined, rate: Rate, nowMs: number): number {
  if (meter === undefined) return 0;
  const elapsedMs = Math.max(0, nowMs - meter.atMs);
  return Math.max(
    0,
    Math.min(meter.used, rate.limit) - (elapsedMs * rate.limit) / (rate.windowSeconds * 1000),
  );
}

export function admits(used: number, rate: Rate, cost: number): boolean {
  return used + cost <= rate.limit + TOLERANCE_UNITS;
}

/** The meter after the cost was spent. */
export function spent(meter: Meter | undefined, used: number, cost: number, nowMs: number): Meter {
  return { used: used + cost, atMs: meter === undefined ? nowMs : Math.max(meter.atMs, nowMs) };
}

export function remainingUnits(used: number, rate: Rate): number {
  return Math.max(0, Math.floor(rate.limit - used + TOLERANCE_UNITS));
}

/** Whole seconds until nothing is used. */
export function resetSeconds(used: number, rate: Rate): number {
  return Math.max(0, Math.ceil(secondsFor(used - TOLERANCE_UNITS, rate)));
}

/** Whole seconds until the cost is admitted: 0 now, null never. */
export function retryAfterSeconds(used: number, rate: Rate, cost: number): number | null {
  if (admits(used, rate, cost)) return 0;
  if (cost > rate.limit) return null;
  return Math.max(1, Math.ceil(secondsFor(used + cost - rate.limit - TOLERANCE_UNITS, rate)));
}

/** How long so many units take to run out. */
function secondsFor(units: number, rate: Rate): number {
  return (units * rate.windowSeconds) / rate.limit;
}
