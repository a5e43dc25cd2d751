/** A batch of usage events summed in memory, so that each row is written once. */
import type { Position } from '../../schemas/envelope.ts';
import type { PublicUsageEvent } from '../../schemas/events/usage.ts';
import { ALL_KEYS, HOUR_MS, KEPT_DECISIONS, MINUTE_MS } from './usage-tables.ts';

export interface CountRow {
  readonly tenant: string;
  readonly key_id: string;
  readonly at_ms: number;
  readonly code: string;
  readonly route: string;
  count: number;
}

export interface DecisionRow {
  readonly tenant: string;
  readonly key_id: string;
  readonly position: Position;
  readonly number: number;
  readonly at_ms: number;
  readonly code: string;
  readonly route: string;
  readonly trace_id: string | null;
}

export interface UsageSums {
  readonly newestMs: number;
  readonly minutes: readonly CountRow[];
  readonly hours: readonly CountRow[];
  readonly used: readonly { tenant: string; key_id: string; last_used_ms: number }[];
  /** Of each key no more than are kept. */
  readonly decisions: readonly DecisionRow[];
  readonly dropped: readonly { tenant: string; decisions: number }[];
}

export function sumUsage(events: readonly PublicUsageEvent[]): UsageSums {
  const minutes = new Map<string, CountRow>();
  const hours = new Map<string, CountRow>();
  const used = new Map<string, { tenant: string; key_id: string; last_used_ms: number }>();
  const decisions = new Map<string, DecisionRow[]>();
  const dropped = new Map<string, { tenant: string; decisions: number }>();
  let newestMs = 0;
  for (const { data, metadata, position } of events) {
    const { tenant } = metadata;
    const minuteMs = floor(Date.parse(data.minute), MINUTE_MS);
    newestMs = Math.max(newestMs, minuteMs);
    for (const { keyId, code, route, count, lastAt } of data.counts) {
      for (const key_id of [keyId, ALL_KEYS]) {
        add(minutes, { tenant, key_id, at_ms: minuteMs, code, route: storable(route), count });
        add(hours, { tenant, key_id, at_ms: floor(minuteMs, HOUR_MS), code, route: storable(route), count });
      }
      // A wrong secret with the right id: nobody used the key.
      if (code === 'NOT_FOUND') continue;
      const name = `${tenant} ${keyId}`;
      const last_used_ms = Math.max(Date.parse(lastAt), used.get(name)?.last_used_ms ?? 0);
      used.set(name, { tenant, key_id: keyId, last_used_ms });
    }
    for (const [number, { at, keyId, code, route, traceId }] of data.decisions.entries()) {
      const name = `${tenant} ${keyId}`;
      const ofKey = decisions.get(name) ?? [];
      if (ofKey.length === 0) decisions.set(name, ofKey);
      ofKey.push({
        tenant,
        key_id: keyId,
        position,
        number,
        at_ms: Date.parse(at),
        code,
        route: storable(route),
        trace_id: traceId === null ? null : storable(traceId),
      });
    }
    if (data.decisionsDropped > 0) {
      const sum = (dropped.get(tenant)?.decisions ?? 0) + data.decisionsDropped;
      dropped.set(tenant, { tenant, decisions: sum });
    }
  }
  return {
    newestMs,
    minutes: [...minutes.values()],
    hours: [...hours.values()],
    used: [...used.values()],
    decisions: [...decisions.values()].flatMap((ofKey) => ofKey.sort(byPosition).slice(-KEPT_DECISIONS)),
    dropped: [...dropped.values()],
  };
}

function add(rows: Map<string, CountRow>, row: CountRow): void {
  // Of these only a route may have a space, and it comes last.
  const name = `${row.tenant} ${row.key_id} ${row.at_ms} ${row.code} ${row.route}`;
  const before = rows.get(name);
  if (before) before.count += row.count;
  else rows.set(name, row);
}

/** Of one event they stay in their order: sorting is stable. */
function byPosition(a: DecisionRow, b: DecisionRow): number {
  if (a.position === b.position) return 0;
  return a.position < b.position ? -1 : 1;
}

function floor(ms: number, unitMs: number): number {
  return Math.floor(ms / unitMs) * unitMs;
}

/** Without what a text column refuses. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '').toWellFormed();
}
