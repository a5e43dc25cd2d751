/** What is asked about usage. */
import type { Position, TenantId } from '../../schemas/envelope.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { Page, PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';

export const usageIntervals = ['minute', 'hour', 'day'] as const;
export type UsageInterval = (typeof usageIntervals)[number];

/** More points than this are refused (`usagePoints` says how many a question asks for). */
export const MAX_USAGE_POINTS = 1_500;
/** Minutes are kept this long before the newest one seen, hours so long. */
export const KEPT_MINUTES_HOURS = 48;
export const KEPT_HOURS_DAYS = 400;
/** Single decisions kept a key. */
export const KEPT_DECISIONS = 200;

export interface UsageRange {
  /** Inclusive, and rounded down to the interval. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly interval: UsageInterval;
}
/** A point without any count is left out. */
export interface UsagePoint {
  readonly atMs: number;
  readonly counts: Readonly<Partial<Record<VerifyCode, number>>>;
}
export declare function usagePoints(range: UsageRange): number;
/** Usage of one key, or with `keyId` null of the whole tenant. */
export declare function usageSeries(
  tx: Tx,
  usage: Tables,
  tenant: TenantId,
  keyId: string | null,
  range: UsageRange,
  route?: string,
): Promise<readonly UsagePoint[]>;

export interface RecentDecision {
  readonly position: Position;
  readonly atMs: number;
  readonly code: VerifyCode;
  readonly route: string;
  readonly traceId: string | null;
}
/** Newest first: every denial and a sample of the rest, the last `KEPT_DECISIONS` of them. */
export declare function recentDecisions(
  tx: Tx,
  usage: Tables,
  tenant: TenantId,
  keyId: string,
  page: PageRequest,
): Promise<Page<RecentDecision>>;
