/** The tenants as management lists them: one row a tenant, from its own stream alone. */
import { tenantIdOfStream } from '../../commands/streams.ts';
import { evolveTenant, noTenant, type TenantState } from '../../commands/tenants/tenant-state.ts';
import type { Position } from '../../schemas/envelope.ts';
import { type DecodedTenantEvent, tenantEvents } from '../../schemas/events/tenants.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Projection } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { type StoredTenant, storedTenantOf, type TenantRow } from './tenant-record.ts';

const columns = {
  tenant_id: 'text',
  slug: 'text',
  suspended: 'boolean',
  created_position: 'text',
  position: 'text',
  changed_at_ms: 'bigint',
  state: 'text',
};

export const tenantsProjection: Projection = {
  name: 'tenants',
  revision: 1,
  order: 'stream',
  domains: ['tenants'],
  types: new Set(Object.keys(tenantEvents)),
  tables: [{ name: 'tenants', key: ['tenant_id'] }],
  reads: 'personal',
  publishesChanges: false,
  async create(tx, tables) {
    // `state`: the tenant's whole state as JSON text; a text column would refuse U+0000 in a name.
    await tx.query(`CREATE TABLE ${tables('tenants')} (
      tenant_id text COLLATE "C" PRIMARY KEY,
      slug text COLLATE "C" NOT NULL,
      suspended boolean NOT NULL,
      created_position text COLLATE "C" NOT NULL,
      position text COLLATE "C" NOT NULL,
      changed_at_ms bigint NOT NULL,
      state text NOT NULL
    )`);
    await tx.query(`CREATE INDEX ON ${tables('tenants')} (created_position)`);
    await tx.query(`CREATE INDEX ON ${tables('tenants')} (slug)`);
  },
  async apply(tx, tables, events) {
    const ids = [...new Set(events.map((event) => tenantIdOfStream(event.stream)))];
    const rows = await tx.query<TenantRow>(
      `SELECT * FROM ${tables('tenants')} WHERE tenant_id = ANY($1::text[])`,
      [ids],
    );
    const stored = new Map(rows.map((row) => [row.tenant_id, storedTenantOf(row)]));
    for (const event of events as DecodedTenantEvent[]) {
      const id = tenantIdOfStream(event.stream);
      const before = id === null ? undefined : stored.get(id);
      if (id === null || (event.type === 'tenant.created') === (before !== undefined)) {
        throw new BrokenStream(event, before ? 'the tenant was created before' : 'there is no such tenant');
      }
      stored.set(id, evolved(before, event));
    }
    await upsertRows(
      tx,
      { table: tables('tenants'), columns, key: ['tenant_id'] },
      [...stored].map(([id, one]) => rowOf(id, one)),
    );
  },
};

function evolved(before: StoredTenant | undefined, event: DecodedTenantEvent): StoredTenant {
  const tenant: TenantState = evolveTenant(before?.tenant ?? noTenant, event);
  const createdPosition: Position = before?.createdPosition ?? event.position;
  return { tenant, createdPosition, position: event.position, changedAtMs: event.timeMs };
}

function rowOf(id: string, { tenant, createdPosition, position, changedAtMs }: StoredTenant): TenantRow {
  return {
    tenant_id: id,
    slug: tenant.slug!,
    suspended: tenant.suspended,
    created_position: createdPosition,
    position,
    changed_at_ms: changedAtMs,
    state: JSON.stringify(tenant),
  };
}
