/** What verify needs of tenants: their standing. */
import { tenantIdOfStream } from '../../commands/streams.ts';
import { evolveTenant, noTenant, type TenantState } from '../../commands/tenants/tenant-state.ts';
import type { DecodedEvent } from '../../schemas/envelope.ts';
import type { PublicTenantEvent } from '../../schemas/events/tenants.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Tables, Tx } from '../projection.ts';
import { upsertRows } from '../upsert-rows.ts';
import { tenantsTarget } from './keys-tables.ts';

export async function foldTenants(
  tx: Tx,
  tables: Tables,
  events: readonly PublicTenantEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const ids = [...new Set(events.map(tenantOf))];
  const loaded = await tx.query<{
    tenant: string;
    slug: string;
    suspended: boolean;
    version: number;
    created_at_ms: number;
  }>(`SELECT * FROM ${tables('tenants')} WHERE tenant = ANY($1::text[])`, [ids]);
  const tenants = new Map<string, TenantState>(
    loaded.map((row) => [
      row.tenant,
      {
        tenantId: row.tenant,
        slug: row.slug,
        name: null,
        suspended: row.suspended,
        version: Number(row.version),
        createdAtMs: Number(row.created_at_ms),
      },
    ]),
  );
  for (const event of events) {
    const id = tenantOf(event);
    const before = tenants.get(id);
    if ((event.type === 'tenant.created') === (before !== undefined)) {
      throw new BrokenStream(
        event,
        before ? 'the tenant was created before' : 'the tenant was never created',
      );
    }
    tenants.set(id, evolveTenant(before ?? noTenant, event));
  }
  const rows = [...tenants].map(([tenant, state]) => ({
    tenant,
    slug: state.slug,
    suspended: state.suspended,
    version: state.version,
    created_at_ms: state.createdAtMs,
  }));
  await upsertRows(tx, tenantsTarget(tables), rows);
}

function tenantOf(event: DecodedEvent): string {
  const id = tenantIdOfStream(event.stream);
  if (id === null) throw new BrokenStream(event, 'a tenant event outside a stream of a tenant');
  return id;
}
