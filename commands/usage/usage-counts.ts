/** What was decided since the last batch, counted: one row a key, code and route in a minute. */
import type { UsageEvent } from '../../schemas/events/usage.ts';
import { MAX_USAGE_COUNTS, MAX_USAGE_DECISIONS } from '../../schemas/events/usage.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';

interface Count {
  readonly keyId: string;
  readonly code: VerifyCode;
  readonly route: string;
  count: number;
  lastAtMs: number;
}

interface DecisionNote {
  readonly atMs: number;
  readonly keyId: string;
  readonly code: VerifyCode;
  readonly route: string;
  readonly traceId: string | null;
}

/** One tenant's share of one minute. */
export class UsageCounts {
  readonly minuteMs: number;
  readonly #counts = new Map<string, Count>();
  #decisions: DecisionNote[] = [];
  #decisionsDropped = 0;

  constructor(minuteMs: number) {
    this.minuteMs = minuteMs;
  }

  get rows(): number {
    return this.#counts.size;
  }

  /** False: it would have been a new row, and `mayGrow` says that there is no room. */
  count(keyId: string, code: VerifyCode, route: string, atMs: number, mayGrow: boolean): boolean {
    const name = `${keyId} ${code} ${route}`;
    const row = this.#counts.get(name);
    if (row !== undefined) {
      row.count++;
      row.lastAtMs = atMs;
      return true;
    }
    if (!mayGrow) return false;
    this.#counts.set(name, { keyId, code, route, count: 1, lastAtMs: atMs });
    return true;
  }

  tell(keyId: string, code: VerifyCode, route: string, atMs: number, traceId: string | null): void {
    if (this.#decisions.length >= MAX_USAGE_DECISIONS) this.#decisionsDropped++;
    else this.#decisions.push({ atMs, keyId, code, route, traceId });
  }

  /** As event data, at most `MAX_USAGE_COUNTS` rows each. */
  batches(writer: string): UsageEvent['data'][] {
    const minute = instant(this.minuteMs);
    const counts = [...this.#counts.values()].map(({ lastAtMs, ...row }) => ({
      ...row,
      lastAt: instant(lastAtMs),
    }));
    const decisions = this.#decisions.map(({ atMs, ...decision }) => ({ at: instant(atMs), ...decision }));
    const batches: UsageEvent['data'][] = [];
    for (let i = 0; i < counts.length; i += MAX_USAGE_COUNTS) {
      const first = i === 0;
      batches.push({
        writer,
        minute,
        counts: counts.slice(i, i + MAX_USAGE_COUNTS),
        decisions: first ? decisions : [],
        decisionsDropped: first ? this.#decisionsDropped : 0,
      });
    }
    return batches;
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
