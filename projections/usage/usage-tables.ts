/** The tables of the usage read model, and how long each keeps what. */
import type { TableSpec, Tables, Tx } from '../projection.ts';

/**
 * Minutes are kept for this long before the newest minute seen, hours for so many days. Both bounds are
 * whole hours and days, so that rows go once an hour and once a day.
 */
export const KEPT_MINUTES_HOURS = 48;
export const KEPT_HOURS_DAYS = 400;
/** Single decisions kept a key: those with the highest positions. */
export const KEPT_DECISIONS = 200;
/** In the place of a key id: the sum over all keys of the tenant. */
export const ALL_KEYS = '';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

const seriesKey = ['tenant', 'key_id', 'at_ms', 'code', 'route'];

export const usageTables: readonly TableSpec[] = [
  { name: 'minutes', key: seriesKey },
  { name: 'hours', key: seriesKey },
  { name: 'key_usage', key: ['tenant', 'key_id'] },
  { name: 'decisions', key: ['tenant', 'key_id', 'position', 'number'] },
  { name: 'dropped', key: ['tenant'] },
  { name: 'newest', key: ['name'] },
];

export async function createUsageTables(tx: Tx, tables: Tables): Promise<void> {
  for (const name of ['minutes', 'hours']) {
    await tx.query(`CREATE TABLE ${tables(name)} (
      tenant text COLLATE "C" NOT NULL,
      key_id text COLLATE "C" NOT NULL,
      -- Start of the minute or hour, in UTC.
      at_ms bigint NOT NULL,
      code text COLLATE "C" NOT NULL,
      route text COLLATE "C" NOT NULL,
      count bigint NOT NULL,
      PRIMARY KEY (tenant, key_id, at_ms, code, route)
    ) WITH (fillfactor = 75)`);
    await tx.query(`CREATE INDEX ON ${tables(name)} (at_ms)`);
  }
  await tx.query(`CREATE TABLE ${tables('key_usage')} (
    tenant text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    last_used_ms bigint NOT NULL,
    PRIMARY KEY (tenant, key_id)
  ) WITH (fillfactor = 75)`);
  await tx.query(`CREATE TABLE ${tables('decisions')} (
    tenant text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    position text COLLATE "C" NOT NULL,
    -- Of the decision in its event, from 0.
    number integer NOT NULL,
    at_ms bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    route text COLLATE "C" NOT NULL,
    trace_id text COLLATE "C",
    PRIMARY KEY (tenant, key_id, position, number)
  )`);
  await tx.query(`CREATE TABLE ${tables('dropped')} (
    tenant text COLLATE "C" PRIMARY KEY,
    -- Decisions that were only counted.
    decisions bigint NOT NULL
  )`);
  await tx.query(`CREATE TABLE ${tables('newest')} (
    -- Only 'minute'.
    name text COLLATE "C" PRIMARY KEY,
    at_ms bigint NOT NULL
  )`);
}

/** Rows that start before these are gone. */
export interface Floors {
  readonly minutesMs: number;
  readonly hoursMs: number;
}

export function floorsOf(newestMs: number): Floors {
  return {
    minutesMs: Math.floor(newestMs / HOUR_MS) * HOUR_MS - KEPT_MINUTES_HOURS * HOUR_MS,
    hoursMs: Math.floor(newestMs / DAY_MS) * DAY_MS - KEPT_HOURS_DAYS * DAY_MS,
  };
}
