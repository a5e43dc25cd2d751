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
import { admits } from '../../commands/keys/gcra.ts';
import { limitState } from '../limiter/limit-state.ts';
import type { GcraAsk, GcraReply } from './gcra.ts';
import {
  covers,
  expire,
  expireChanged,
  grant,
  type LeasedLimit,
  type LeaseReturn,
  unleased,
  usedOf,
  wantOf,
} from './leased-limit.ts';

/** How long a limit that denied is taken for exhausted without asking again, as far as it has not run out. */
const DENIED_MS = 1_000;
/** What is known of a limit is forgotten after this, if nothing is leased. */
const KNOWN_MS = 60_000;
export const MAX_KNOWN_LIMITS = 100_000;
const SWEPT_A_REPLY = 2;
/** What expired while many others did is lost beyond this, until it runs out. */
const MAX_RETURNS = 1_000;

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
  readonly #known = new Map<string, LeasedLimit>();
  readonly #leased = new Set<LeasedLimit>();
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
    if (known.every((of, i) => covers(of, spends[i]!.cost, nowMs))) {
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
    if (known.every((of, i) => covers(of, spends[i]!.cost, nowMs))) {
      return answered(true, spends, known, nowMs);
    }
    return this.#denial(known, spends, nowMs);
  }

  #denial(known: readonly LeasedLimit[], spends: readonly LimitSpend[], nowMs: number): LimitAnswer | null {
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
      if (of.untilMs <= nowMs) this.#end(of, expire(of));
      const want = wantOf(of, cost, this.#processes(), nowMs);
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
      if (granted > 0) {
        grant(of, granted, reply.nowMs, sentMs);
        this.#leased.add(of);
      } else of.needed = true;
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
    for (const of of this.#leased) if (of.untilMs <= nowMs) this.#end(of, expire(of));
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

  /** Into the lease that it came from; another must not make it last longer, and it is lost. */
  #putBack(of: LeasedLimit, { have, untilMs }: Planned): void {
    if (have === 0 || of.untilMs !== untilMs) return;
    of.left += have;
    this.#leased.add(of);
  }

  #end(of: LeasedLimit, back: LeaseReturn | null): void {
    this.#leased.delete(of);
    if (back !== null && this.#returns.length < MAX_RETURNS) this.#returns.push(back);
  }

  #allOf(names: readonly string[], spends: readonly LimitSpend[]): readonly LeasedLimit[] | null {
    const all: LeasedLimit[] = [];
    for (const [i, spend] of spends.entries()) {
      const of = this.#find(names[i]!, spend);
      if (of === undefined) return null;
      all.push(of);
    }
    return all;
  }

  /** A limit that was changed since is not known any more; what was leased of it goes back. */
  #find(name: string, spend: LimitSpend): LeasedLimit | undefined {
    const of = this.#known.get(name);
    if (of === undefined || (of.limit === spend.limit && of.windowSeconds === spend.windowSeconds)) return of;
    this.#known.delete(name);
    this.#end(of, expireChanged(of, spend));
    return undefined;
  }

  #learn(name: string, spend: LimitSpend, nowMs: number): LeasedLimit {
    const of = unleased(name, spend, nowMs);
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

function answered(
  admitted: boolean,
  spends: readonly LimitSpend[],
  known: readonly LeasedLimit[],
  nowMs: number,
): LimitAnswer {
  return {
    admitted,
    limits: spends.map((spend, i) => limitState(spend, usedOf(known[i]!, nowMs), spend.cost)),
  };
}
