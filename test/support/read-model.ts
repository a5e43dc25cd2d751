/** A projection's tables in a database of their own, fed by hand: for specs of what events make of rows. */
import { after, before } from 'node:test';
import { createPool, type Pool } from '../../infra/postgres/pool.ts';
import { migrateProjections } from '../../infra/postgres/projection-store.ts';
import { revisionSchema, revisionTables } from '../../infra/postgres/revision-tables.ts';
import type { Applies, Projection, Tables, Tx } from '../../projections/projection.ts';
import type { Decoded, EventId, Position, StreamId } from '../../schemas/envelope.ts';
import { testDatabase } from './postgres.ts';

export interface ReadModel {
  readonly pool: Pool;
  readonly tables: Tables;
  /** In one transaction, as the runner does. */
  apply(events: readonly Decoded[]): Promise<void>;
  /** In a transaction of the test's own. */
  applyIn(tx: Tx, events: readonly Decoded[]): Promise<void>;
  /** Every row of every table, by table, ordered by primary key. */
  rows(): Promise<Readonly<Record<string, readonly Record<string, unknown>[]>>>;
  /** The same projection's tables made anew, beside these. */
  another(): Promise<ReadModel>;
}

/** A database for all tests of the suite that calls it; the function answers its pool once they run. */
export function suitePool(): () => Pool {
  const ends: (() => unknown)[] = [];
  let pool: Pool | undefined;
  before(async () => {
    const connectionString = await testDatabase({ after: (end) => ends.push(end) });
    pool = createPool({ connectionString, applicationName: 'plinth test', maxConnections: 4 });
    await migrateProjections(pool);
  });
  after(async () => {
    await pool?.close();
    for (const end of ends) await end();
  });
  return () => pool!;
}

export async function readModel(pool: Pool, projection: Projection, revision = 1): Promise<ReadModel> {
  const tables = revisionTables(projection.name, revision);
  const applier: Applies<Tx> = projection;
  await pool.query(`CREATE SCHEMA ${revisionSchema(projection.name, revision)}`);
  await pool.transaction((tx) => projection.create(tx, tables));
  return {
    pool,
    tables,
    apply: (events) => pool.transaction((tx) => applier.apply(tx, tables, events)),
    applyIn: (tx, events) => applier.apply(tx, tables, events),
    async rows() {
      const found: Record<string, readonly Record<string, unknown>[]> = {};
      for (const { name, key } of projection.tables) {
        found[name] = await pool.query(`SELECT * FROM ${tables(name)} ORDER BY ${key.join(', ')}`);
      }
      return found;
    },
    another: () => readModel(pool, projection, revision + 1),
  };
}

export const TENANT = `tnt_${'1'.repeat(32)}`;
export const OTHER_TENANT = `tnt_${'2'.repeat(32)}`;

export function positionOf(n: number): Position {
  return String(n).padStart(20, '0') as Position;
}

export interface Happening {
  readonly stream: StreamId;
  readonly type: string;
  readonly data: unknown;
  readonly version?: number;
  readonly tenant?: string;
  readonly timeMs?: number;
}

/** Gives events positions in the order in which they are made, and versions in that of their streams. */
export function eventMaker(): (happening: Happening) => Decoded {
  const versions = new Map<StreamId, number>();
  let last = 0;
  return ({ stream, type, data, version, tenant = TENANT, timeMs }) => {
    last += 1;
    const counted = version ?? (versions.get(stream) ?? 0) + 1;
    versions.set(stream, counted);
    return {
      id: `event-${last}` as EventId,
      type,
      data,
      stream,
      version: counted,
      position: positionOf(last),
      timeMs: timeMs ?? 1_000_000 + last * 1_000,
      metadata: {
        tenant,
        actor: 'system:test',
        commandId: '00000000-0000-5000-8000-000000000000',
        requestDigest: null,
        correlationId: 'test',
        causationId: null,
        traceparent: null,
      },
      erased: [],
      lost: [],
    };
  };
}
