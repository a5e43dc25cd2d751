/**
 * What one process knows of limits whose meters are in Redis: units that it has leased there and spends
 * without asking again, and what was used when it last asked, so that a key beyond its limit is denied
 * without asking either.
 *
 * A lease is spent in Redis before it is used here, and lasts a hundredth of the window, at most a second.
 * Hence, of a limit of which nothing was spent before, never more is admitted than without leases; and in
 * any span of time at most a hundredth of the limit more, which was spent just before the span began.
 *
 * All leases of a limit together are at most a quarter of it and lie in its first half; what was not spent
 * goes back. A key that spends at its limit is therefore counted unit by unit, and what processes hold or
 * have lost never denies a call before half of the limit was really spent.
 */
import type { LimitAnswer, LimitSpend } from '../../api/verify/limiter.ts';
import { admits, type Meter, usedNow } from '../../commands/keys/gcra.ts';
import { limitState } from '../limiter/limit-state.ts';
import type { GcraAsk, GcraReply } from './gcra.ts';

/** All processes together lease this part of a limit at most. */
const LEASED_PART = 4;
const WINDOW_PART = 100;
const MAX_LEASE_MS = 1_000;
/** Smaller limits are never leased: every unit is asked for. */
const MIN_BLOCK_UNITS = 2;
/** How long a limit that denied is taken for exhausted without asking again, as far as it has not run out. */
const DENIED_MS = 1_000;
/** What is known of a limit is forgotten after this, if nothing is leased. */
const KNOWN_MS = 60_000;
export const MAX_KNOWN_LIMITS = 100_000;
const SWEPT_A_REPLY = 2;
/** What expired while many others did is lost beyond this, until it runs out. */
const MAX_RETURNS = 1_000;

interface Known {
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

/** One limit of a call to Redis: what is asked, and what of its cost was taken from the lease. */
export interface Planned {
  readonly ask: GcraAsk;
  readonly have: number;
  /** Which lease that was. */
  readonly untilMs: number;
}

export class LeaseBook {
  readonly #processes: () => number;
  readonly #maxKnown: number;
  readonly #known = new Map<string, Known>();
  readonly #leased = new Set<Known>();
  #returns: LeaseReturn[] = [];
  #sweep = this.#known.entries();

  /** @param processes how many share the limits */
  constructor(processes: () => number, maxKnown = MAX_KNOWN_LIMITS) {
    this.#processes = processes;
    this.#maxKnown = maxKnown;
  }

  /** Spends from leases alone, or denies by what is known; null: Redis must be asked. */
  take(names: readonly string[], spends: readonly LimitSpend[], nowMs: number): LimitAnswer | null {
    const known = this.#allOf(names, spends);
    if (known === null) return null;
    if (known.every((of, i) => of.untilMs > nowMs && of.left >= spends[i]!.cost)) {
      for (const [i, of] of known.entries()) {
        of.left -= spends[i]!.cost;
        if (of.left === 0) this.#leased.delete(of);
      }
      return {
        admitted: true,
        limits: spends.map((spend, i) => limitState(spend, usedOf(known[i]!, nowMs), 0)),
      };
    }
    return this.#denial(known, spends, nowMs);
  }

  /** As `take`, with nothing spent. */
  peek(names: readonly string[], spends: readonly LimitSpend[], nowMs: number): LimitAnswer | null {
    const known = this.#allOf(names, spends);
    if (known === null) return null;
    if (known.every((of, i) => of.untilMs > nowMs && of.left >= spends[i]!.cost)) {
      return answered(true, spends, known, nowMs);
    }
    return this.#denial(known, spends, nowMs);
  }

  #denial(known: readonly Known[], spends: readonly LimitSpend[], nowMs: number): LimitAnswer | null {
    if (!known.every((of) => nowMs - of.meter.atMs <= DENIED_MS)) return null;
    if (known.every((of, i) => admits(usedOf(of, nowMs), of, spends[i]!.cost))) return null;
    return answered(false, spends, known, nowMs);
  }

  /** What to ask Redis for. What it takes from leases meanwhile must be settled, or put back. */
  plan(names: readonly string[], spends: readonly LimitSpend[], nowMs: number): readonly Planned[] {
    return spends.map((spend, i) => {
      const { limit, windowSeconds, cost } = spend;
      const of = this.#find(names[i]!, spend);
      if (of === undefined) {
        return { have: 0, untilMs: 0, ask: { limit, windowSeconds, need: cost, ...nothingElse } };
      }
      if (of.untilMs <= nowMs) this.#expire(of);
      const want = this.#wantOf(of, cost, nowMs);
      const have = Math.min(of.left, cost);
      of.left -= have;
      of.wanted += want;
      return {
        have,
        untilMs: of.untilMs,
        ask: { limit, windowSeconds, need: cost - have, ...nothingElse, want },
      };
    });
  }

  /** @param sentMs when Redis was asked: a lease counts from then */
  settle(
    names: readonly string[],
    spends: readonly LimitSpend[],
    plan: readonly Planned[],
    reply: GcraReply,
    sentMs: number,
    nowMs: number,
  ): LimitAnswer {
    this.#forget(nowMs);
    const limits = spends.map((spend, i) => {
      const { ask } = plan[i]!;
      const of = this.#find(names[i]!, spend) ?? this.#learn(names[i]!, spend, nowMs);
      const granted = reply.granted[i]!;
      of.wanted = Math.max(0, of.wanted - ask.want);
      of.meter = { used: reply.used[i]! + (reply.admitted ? ask.need + granted : 0), atMs: nowMs };
      of.askedAtMs = sentMs;
      if (!reply.admitted) this.#putBack(of, plan[i]!);
      if (granted > 0) this.#lease(of, granted, reply.nowMs, sentMs);
      else of.needed = true;
      return limitState(spend, usedOf(of, nowMs), reply.admitted ? 0 : spend.cost);
    });
    return { admitted: reply.admitted, limits };
  }

  /** The answer to a look: what this process has leased and left, it could spend. */
  look(
    names: readonly string[],
    spends: readonly LimitSpend[],
    reply: GcraReply,
    nowMs: number,
  ): LimitAnswer {
    const limits = spends.map((spend, i) => {
      const of = this.#find(names[i]!, spend);
      if (of === undefined) return limitState(spend, reply.used[i]!, spend.cost);
      of.meter = { used: reply.used[i]!, atMs: nowMs };
      return limitState(spend, usedOf(of, nowMs), spend.cost);
    });
    return { admitted: limits.every(({ admits: yes }) => yes), limits };
  }

  /** The call failed: what it may have spent in Redis is lost, what it took from leases is not. */
  putBack(names: readonly string[], spends: readonly LimitSpend[], plan: readonly Planned[]): void {
    for (const [i, planned] of plan.entries()) {
      const of = this.#find(names[i]!, spends[i]!);
      if (of === undefined) continue;
      of.wanted = Math.max(0, of.wanted - planned.ask.want);
      this.#putBack(of, planned);
    }
  }

  /** Units used, as far as is known; null: nothing is known. */
  used(name: string, spend: LimitSpend, nowMs: number): number | null {
    const of = this.#find(name, spend);
    return of === undefined ? null : usedOf(of, nowMs);
  }

  /** What has expired since the last time, to be given back. */
  returns(nowMs: number): readonly LeaseReturn[] {
    for (const of of this.#leased) if (of.untilMs <= nowMs) this.#expire(of);
    return this.#returns.splice(0);
  }

  get leasedUnits(): number {
    let units = 0;
    for (const of of this.#leased) units += of.left;
    return units;
  }

  get knownLimits(): number {
    return this.#known.size;
  }

  /** As many as were used up in the time of the last lease, or twice as many where it was too small. */
  #wantOf(of: Known, cost: number, nowMs: number): number {
    const block = Math.floor(of.limit / (LEASED_PART * Math.max(1, this.#processes())));
    if (block < MIN_BLOCK_UNITS) return 0;
    const lifeMs = leaseMs(of);
    if (nowMs - of.askedAtMs > 2 * lifeMs) return 0;
    const more = Math.max(MIN_BLOCK_UNITS * Math.max(1, cost), of.block * 2);
    const units = of.needed ? more : of.block;
    const held = of.wanted + of.left;
    return Math.max(0, Math.min(units, block - held));
  }

  #lease(of: Known, granted: number, grantedAtMs: number, sentMs: number): void {
    if (of.left === 0) {
      of.block = granted;
      of.untilMs = sentMs + leaseMs(of);
      of.needed = true;
      of.grantedAtMs = grantedAtMs;
    } else {
      // It joins the older lease, and ends with it.
      of.block += granted;
    }
    of.left += granted;
    this.#leased.add(of);
  }

  /** Into the lease that it came from; another must not make it last longer, and it is lost. */
  #putBack(of: Known, { have, untilMs }: Planned): void {
    if (have === 0 || of.untilMs !== untilMs) return;
    of.left += have;
    this.#leased.add(of);
  }

  #expire(of: Known): void {
    this.#leased.delete(of);
    if (of.left === 0) return;
    const { name, limit, windowSeconds, left: back, grantedAtMs: backAtMs } = of;
    const ask = { limit, windowSeconds, need: 0, want: 0, back, backAtMs };
    if (this.#returns.length < MAX_RETURNS) this.#returns.push({ name, ask });
    of.block -= back;
    of.needed = false;
    of.left = 0;
  }

  #allOf(names: readonly string[], spends: readonly LimitSpend[]): readonly Known[] | null {
    const all: Known[] = [];
    for (const [i, spend] of spends.entries()) {
      const of = this.#find(names[i]!, spend);
      if (of === undefined) return null;
      all.push(of);
    }
    return all;
  }

  /** A limit that was changed since is not known any more; what was leased of it goes back. */
  #find(name: string, spend: LimitSpend): Known | undefined {
    const of = this.#known.get(name);
    if (of === undefined || (of.limit === spend.limit && of.windowSeconds === spend.windowSeconds)) return of;
    this.#known.delete(name);
    // As units of the limit that it is now, less what may have run out at the rate that it had.
    of.left = Math.max(0, of.left - (leaseMs(of) * of.limit) / (of.windowSeconds * 1000));
    this.#expire({ ...of, limit: spend.limit, windowSeconds: spend.windowSeconds });
    this.#leased.delete(of);
    return undefined;
  }

  #learn(name: string, { limit, windowSeconds }: LimitSpend, nowMs: number): Known {
    const of: Known = {
      ...{ name, limit, windowSeconds, meter: { used: 0, atMs: nowMs }, askedAtMs: nowMs },
      ...{ left: 0, untilMs: 0, grantedAtMs: 0, block: 0, needed: true, wanted: 0 },
    };
    // Without room it is known for this one answer.
    if (this.#known.size < this.#maxKnown) this.#known.set(name, of);
    return of;
  }

  /** Goes round all that is known, a few at a time. */
  #forget(nowMs: number): void {
    for (let i = 0; i < SWEPT_A_REPLY; i++) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = this.#known.entries();
        return;
      }
      const [name, of] = next.value;
      if (of.left === 0 && of.wanted === 0 && nowMs - of.askedAtMs > KNOWN_MS) this.#known.delete(name);
    }
  }
}

const nothingElse = { want: 0, back: 0, backAtMs: 0 } as const;

export function leaseMs({ windowSeconds }: Pick<LimitSpend, 'windowSeconds'>): number {
  return Math.min(MAX_LEASE_MS, (windowSeconds * 1000) / WINDOW_PART);
}

/** Units used by others and by this process: what is leased and left, this process could spend. */
function usedOf(of: Known, nowMs: number): number {
  return Math.max(0, usedNow(of.meter, of, nowMs) - (of.untilMs > nowMs ? of.left : 0));
}

function answered(
  admitted: boolean,
  spends: readonly LimitSpend[],
  known: readonly Known[],
  nowMs: number,
): LimitAnswer {
  return {
    admitted,
    limits: spends.map((spend, i) => limitState(spend, usedOf(known[i]!, nowMs), spend.cost)),
  };
}
