/** The limiter of a process that serves alone: exact, for nothing runs between reading and writing. */
import type { LimitAnswer, Limiter, LimitSpend, LimitState } from '../../api/verify/limiter.ts';
import type { Clock } from '../../commands/clock.ts';
import { type Meter, spent, usedNow } from '../../commands/keys/gcra.ts';
import { limitState } from './limit-state.ts';

/** Limits in use at one time; about 150 bytes each. */
export const MAX_METERS = 500_000;
/** Meters looked at for each one that is spent from, to forget those that have run out. */
const SWEPT_A_TAKE = 2;
/** Meters looked at when there is no room. */
const SWEPT_WHEN_FULL = 1_000;

interface Held extends Meter {
  /** When nothing will be used any more, and the meter may be forgotten. */
  readonly emptyAtMs: number;
}

/**
 * Only meters that have run out are forgotten. When all are in use and a limit that has none is asked
 * for, it denies and says to come again in a second, rather than to forget what another has spent.
 */
export class InProcessLimiter implements Limiter {
  readonly #clock: Clock;
  readonly #maxMeters: number;
  readonly #meters = new Map<string, Held>();
  #sweep = this.#meters.entries();
  #refusedFull = 0;

  constructor(clock: Clock, maxMeters = MAX_METERS) {
    this.#clock = clock;
    this.#maxMeters = maxMeters;
  }

  get meters(): number {
    return this.#meters.size;
  }

  /** Denials for want of room, since the start. */
  get refusedFull(): number {
    return this.#refusedFull;
  }

  take(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer {
    const nowMs = this.#clock.now();
    this.#forget(nowMs, SWEPT_A_TAKE);
    const names = namesOf(tenant, keyId, spends);
    const looked = this.#look(names, spends, nowMs);
    if (!looked.admitted) return looked;
    if (!this.#hasRoom(names, spends, nowMs)) {
      this.#refusedFull++;
      return {
        admitted: false,
        limits: looked.limits.map((limit) => ({ ...limit, admits: false, retryAfterSeconds: 1 })),
      };
    }
    const limits: LimitState[] = [];
    for (const [index, spend] of spends.entries()) {
      const name = names[index]!;
      const held = this.#meters.get(name);
      const meter = spent(held, usedNow(held, spend, nowMs), spend.cost, nowMs);
      limits.push(limitState(spend, meter.used, 0));
      if (spend.cost === 0) continue;
      const runsMs = (meter.used * spend.windowSeconds * 1000) / spend.limit;
      this.#meters.set(name, { ...meter, emptyAtMs: meter.atMs + runsMs });
    }
    return { admitted: true, limits };
  }

  peek(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer {
    return this.#look(namesOf(tenant, keyId, spends), spends, this.#clock.now());
  }

  /** It serves alone. */
  unshared(): null {
    return null;
  }

  #look(names: readonly string[], spends: readonly LimitSpend[], nowMs: number): LimitAnswer {
    let admitted = true;
    const limits: LimitState[] = [];
    for (const [index, spend] of spends.entries()) {
      const used = usedNow(this.#meters.get(names[index]!), spend, nowMs);
      const state = limitState(spend, used, spend.cost);
      if (!state.admits) admitted = false;
      limits.push(state);
    }
    return { admitted, limits };
  }

  #hasRoom(names: readonly string[], spends: readonly LimitSpend[], nowMs: number): boolean {
    if (this.#meters.size + spends.length <= this.#maxMeters) return true;
    const missing = spends.filter(
      (spend, index) => spend.cost > 0 && !this.#meters.has(names[index]!),
    ).length;
    if (missing === 0) return true;
    this.#forget(nowMs, SWEPT_WHEN_FULL);
    return this.#meters.size + missing <= this.#maxMeters;
  }

  /** Goes round all meters, a few at a time. */
  #forget(nowMs: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = this.#meters.entries();
        return;
      }
      const [name, held] = next.value;
      if (held.emptyAtMs <= nowMs) this.#meters.delete(name);
    }
  }
}

/** Made once a call: a name that was put together must be hashed before a map finds it. */
function namesOf(tenant: string, keyId: string, spends: readonly LimitSpend[]): readonly string[] {
  return spends.map(({ name }) => `${tenant}:${keyId}:${name}`);
}
