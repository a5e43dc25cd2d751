/** What management asks about keys, of the tables of `key_list`. A key of another tenant is not there. */

import type { KeyState } from '../../commands/keys/key-state.ts';
import { keyStatus } from '../../commands/keys/key-view.ts';
import { noOwner } from '../../commands/keys/owner-state.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import type { KeyUse } from '../../schemas/values.ts';
import { type KeyStatus, keyStatuses } from '../../schemas/views/keys.ts';
import { MAX_PAGE_ITEMS, type Page, type PageRequest } from '../page.ts';
import type { Tables, Tx } from '../projection.ts';
import type { KeyRecord } from './key-record.ts';
import { searchable } from './listed-keys.ts';

/** One snapshot of both read models: `read('key_list', {also: ['usage']}, (tx, keys, stamp, tablesOf) => …)`. */
export interface KeyReads {
  readonly tx: Tx;
  readonly keys: Tables;
  readonly usage: Tables;
}

export interface KeyFilter {
  readonly ownerId?: string;
  readonly status?: KeyStatus;
  readonly use?: KeyUse;
  readonly scope?: string;
  /** Used at this time or later. */
  readonly usedFromMs?: number;
  /** Last used before this time, or never. */
  readonly unusedSinceMs?: number;
  /** Created before this time. */
  readonly createdBeforeMs?: number;
  /** Part of the name, whatever the case, or the start of the key id. */
  readonly q?: string;
}

/** Rows that a page with filters looks through; then it ends, short, and the next one goes on from there. */
export const MAX_SCANNED_KEYS = 5_000;

const RECORD = `k.state, k.created_position, k.position, u.last_used_ms,
  o.version AS owner_version, o.revoked_all_version, o.revoked_all_at_ms`;

/** `isRevoked` and `keyStatus` in SQL; `now` is a parameter's name. A test holds them together. */
const statusSql = (now: string) => `CASE
  WHEN k.revoked OR (k.owner_id IS NOT NULL AND k.owner_version < o.revoked_all_version) THEN 'revoked'
  WHEN k.disabled THEN 'disabled'
  WHEN k.not_before_ms > ${now} THEN 'not_yet_valid'
  WHEN k.expired OR k.expires_at_ms <= ${now} THEN 'expired'
  ELSE 'active' END`;

const ownersOf = (keys: Tables) =>
  `LEFT JOIN ${keys('owners')} o ON o.tenant = k.tenant AND o.owner_id = k.owner_id`;
const usageOf = (usage: Tables) =>
  `LEFT JOIN ${usage('key_usage')} u ON u.tenant = k.tenant AND u.key_id = k.key_id`;

/** Newest first. */
export async function listKeys(
  { tx, keys, usage }: KeyReads,
  tenant: TenantId,
  filter: KeyFilter,
  page: PageRequest,
  nowMs: number,
): Promise<Page<KeyRecord>> {
  const limit = Math.min(page.limit, MAX_PAGE_ITEMS);
  const params: unknown[] = [];
  const param = (value: unknown) => `$${params.push(value)}`;
  const base = [`k.tenant = ${param(tenant)}`];
  if (filter.ownerId !== undefined) base.push(`k.owner_id = ${param(filter.ownerId)}`);
  if (page.after !== null) base.push(`k.created_position < ${param(page.after)}`);
  const baseParams = [...params];
  const conditions = conditionsOf(filter, nowMs, param);
  if (conditions === null) return { items: [], next: null };
  const scanned = conditions.length === 0 ? limit + 1 : MAX_SCANNED_KEYS;
  const scan = `FROM ${keys('keys')} k WHERE ${base.join(' AND ')} ORDER BY k.created_position DESC`;
  const rows = await tx.query<RecordRow>(
    `SELECT ${RECORD} FROM (SELECT * ${scan} LIMIT ${scanned}) k ${ownersOf(keys)} ${usageOf(usage)}
     WHERE ${['true', ...conditions].join(' AND ')}
     ORDER BY k.created_position DESC LIMIT ${limit + 1}`,
    params,
  );
  const items = rows.slice(0, limit).map((row) => recordOf(row, nowMs));
  if (rows.length > limit) return { items, next: items.at(-1)!.createdPosition };
  if (conditions.length === 0) return { items, next: null };
  const [last] = await tx.query<{ created_position: Position }>(
    `SELECT k.created_position ${scan} OFFSET ${scanned - 1} LIMIT 1`,
    baseParams,
  );
  return { items, next: last?.created_position ?? null };
}

/** Null: nothing can match. */
function conditionsOf(
  filter: KeyFilter,
  nowMs: number,
  param: (value: unknown) => string,
): readonly string[] | null {
  const conditions: string[] = [];
  if (filter.status !== undefined) {
    conditions.push(`${statusSql(`${param(nowMs)}::bigint`)} = ${param(filter.status)}`);
  }
  if (filter.use !== undefined) conditions.push(`k.use = ${param(filter.use)}`);
  if (filter.scope !== undefined) conditions.push(`${param(filter.scope)} = ANY(k.scopes)`);
  if (filter.usedFromMs !== undefined) conditions.push(`u.last_used_ms >= ${param(filter.usedFromMs)}`);
  if (filter.unusedSinceMs !== undefined) {
    conditions.push(`(u.last_used_ms IS NULL OR u.last_used_ms < ${param(filter.unusedSinceMs)})`);
  }
  if (filter.createdBeforeMs !== undefined) {
    conditions.push(`k.created_at_ms < ${param(filter.createdBeforeMs)}`);
  }
  if (filter.q !== undefined) {
    const part = searchable(filter.q);
    if (part === '') return null;
    const start = filter.q.replaceAll('\u0000', '').toWellFormed();
    conditions.push(`(strpos(k.name_search, ${param(part)}) > 0 OR starts_with(k.key_id, ${param(start)}))`);
  }
  return conditions;
}

/** Null: no such key in this tenant. */
export async function getKey(
  { tx, keys, usage }: KeyReads,
  tenant: TenantId,
  keyId: string,
  nowMs: number,
): Promise<KeyRecord | null> {
  const [row] = await tx.query<RecordRow>(
    `SELECT ${RECORD} FROM ${keys('keys')} k ${ownersOf(keys)} ${usageOf(usage)}
     WHERE k.key_id = $1 AND k.tenant = $2`,
    [keyId, tenant],
  );
  return row ? recordOf(row, nowMs) : null;
}

/** Reads every key of the tenant, without their state. */
export async function countKeys(
  { tx, keys }: Pick<KeyReads, 'tx' | 'keys'>,
  tenant: TenantId,
  nowMs: number,
): Promise<Readonly<Record<KeyStatus, number>>> {
  const rows = await tx.query<{ status: KeyStatus; count: number }>(
    `SELECT ${statusSql('$2::bigint')} AS status, count(*) AS count
     FROM ${keys('keys')} k ${ownersOf(keys)} WHERE k.tenant = $1 GROUP BY 1`,
    [tenant, nowMs],
  );
  const found = new Map(rows.map((row) => [row.status, Number(row.count)]));
  return Object.fromEntries(keyStatuses.map((status) => [status, found.get(status) ?? 0])) as Record<
    KeyStatus,
    number
  >;
}

interface RecordRow {
  state: string;
  created_position: Position;
  position: Position;
  last_used_ms: number | null;
  owner_version: number | null;
  revoked_all_version: number;
  revoked_all_at_ms: number;
}

function recordOf(row: RecordRow, nowMs: number): KeyRecord {
  const key = JSON.parse(row.state) as KeyState;
  const owner =
    row.owner_version === null
      ? noOwner
      : {
          version: Number(row.owner_version),
          revokedAllVersion: Number(row.revoked_all_version),
          revokedAllAtMs: Number(row.revoked_all_at_ms),
        };
  return {
    key,
    owner,
    status: keyStatus(key, owner, nowMs),
    createdPosition: row.created_position,
    position: row.position,
    lastUsedAtMs: row.last_used_ms === null ? null : Number(row.last_used_ms),
  };
}
