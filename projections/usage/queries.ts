/** What is asked about usage. */
import type { Position, TenantId } from '../../schemas/envelope.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';
import { ALL_KEYS, DAY_MS, HOUR_MS, MINUTE_MS } from './usage-tables.ts';

export { KEPT_DECISIONS, KEPT_HOURS_DAYS, KEPT_MINUTES_HOURS } from './usage-tables.ts';

export const usageIntervals = ['minute', 'hour', 'day'] as const;
export type UsageInterval = (typeof usageIntervals)[number];

/** More points than this are too many for one answer (`usagePoints` says how many a range asks for). */
export const MAX_USAGE_POINTS = 1_500;

const intervalMs: Readonly<Record<UsageInterval, number>> = { minute: MINUTE_MS, hour: HOUR_MS, day: DAY_MS };

export interface UsageRange {
  /** Inclusive, and rounded down to the interval. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly interval: UsageInterval;
}

/** A point without any count is left out. */
export interface UsagePoint {
  /** Start of the interval, in UTC. */
  readonly atMs: number;
  readonly counts: Readonly<Partial<Record<VerifyCode, number>>>;
}

export function usagePoints({ fromMs, toMs, interval }: UsageRange): number {
  const stepMs = intervalMs[interval];
  return Math.max(0, Math.ceil(toMs / stepMs) - Math.floor(fromMs / stepMs));
}

/** Usage of one key, or with `keyId` null of the whole tenant; oldest first. Days are summed from hours. */
export async function usageSeries(
  tx: Tx,
  usage: Tables,
  tenant: TenantId,
  keyId: string | null,
  range: UsageRange,
  route?: string,
): Promise<readonly UsagePoint[]> {
  if (usagePoints(range) > MAX_USAGE_POINTS) throw new RangeError(`more than ${MAX_USAGE_POINTS} points`);
  const stepMs = intervalMs[range.interval];
  const rows = await tx.query<{ at: number; code: VerifyCode; count: number }>(
    `SELECT at_ms / $1::bigint * $1::bigint AS at, code, sum(count)::bigint AS count
     FROM ${usage(range.interval === 'minute' ? 'minutes' : 'hours')}
     WHERE tenant = $2 AND key_id = $3 AND at_ms >= $4 AND at_ms < $5 AND ($6::text IS NULL OR route = $6)
     GROUP BY 1, 2 ORDER BY 1, 2`,
    [
      stepMs,
      tenant,
      keyId ?? ALL_KEYS,
      Math.floor(range.fromMs / stepMs) * stepMs,
      Math.ceil(range.toMs),
      route?.replaceAll('\u0000', '').toWellFormed() ?? null,
    ],
  );
  const points = new Map<number, Partial<Record<VerifyCode, number>>>();
  for (const row of rows) {
    const atMs = Number(row.at);
    const counts = points.get(atMs) ?? {};
    counts[row.code] = Number(row.count);
    points.set(atMs, counts);
  }
  return [...points].map(([atMs, counts]) => ({ atMs, counts }));
}

export interface RecentDecision {
  readonly position: Position;
  readonly atMs: number;
  readonly code: VerifyCode;
  readonly route: string;
  readonly traceId: string | null;
}

/**
 * Newest first: every denial and a sample of the rest, the last `KEPT_DECISIONS` of them. A page goes on
 * from `<position>.<number>`, for one event tells of many.
 */
export async function recentDecisions(
  tx: Tx,
  usage: Tables,
  tenant: TenantId,
  keyId: string,
  page: PageRequest,
): Promise<Page<RecentDecision>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const [afterPosition, afterNumber] = page.after?.split('.') ?? [null, '0'];
  const rows = await tx.query<{
    position: Position;
    number: number;
    at_ms: number;
    code: VerifyCode;
    route: string;
    trace_id: string | null;
  }>(
    `SELECT position, number, at_ms, code, route, trace_id FROM ${usage('decisions')}
     WHERE tenant = $1 AND key_id = $2 AND ($3::text IS NULL OR (position, number) < ($3, $4::int))
     ORDER BY position DESC, number DESC LIMIT $5`,
    [tenant, keyId, afterPosition, Number(afterNumber), limit + 1],
  );
  const shown = rows.slice(0, limit);
  const items = shown.map(({ position, at_ms, code, route, trace_id }) => ({
    position,
    atMs: Number(at_ms),
    code,
    route,
    traceId: trace_id,
  }));
  const last = shown.at(-1);
  return {
    items,
    next: rows.length > limit && last ? (`${last.position}.${last.number}` as Position) : null,
  };
}
