import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tenantIdOf } from '../../commands/ids.ts';
import { tenantStream } from '../../commands/streams.ts';
import { tenantView } from '../../commands/tenants/tenant-view.ts';
import type { Decoded, Position } from '../../schemas/envelope.ts';
import { eventMaker, type ReadModel, readModel, suitePool } from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import { getTenant, listTenants } from './queries.ts';
import { tenantsProjection } from './tenants-projection.ts';

function story() {
  const make = eventMaker();
  const of = (slug: string) => ({ stream: tenantStream(tenantIdOf(slug)), tenant: tenantIdOf('default') });
  return {
    created: (slug: string, name: string | null = slug.toUpperCase()) =>
      make({ ...of(slug), type: 'tenant.created', data: { tenantId: tenantIdOf(slug), slug, name } }),
    suspended: (slug: string) => make({ ...of(slug), type: 'tenant.suspended', data: { reason: null } }),
    resumed: (slug: string) => make({ ...of(slug), type: 'tenant.resumed', data: { reason: null } }),
  };
}

describe('the tenants projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = (): Promise<ReadModel> => readModel(pool(), tenantsProjection, ++revision);
  const slugs = async (model: ReadModel, filter: Parameters<typeof listTenants>[2]) => {
    const { items } = await listTenants(pool(), model.tables, filter, { limit: 100, after: null });
    return items.map((record) => record.tenant.slug);
  };

  it('follows a tenant from its creation through suspension', async () => {
    const model = await fresh();
    const { created, suspended, resumed } = story();
    await model.apply([created('acme', 'Acme\u0000 Inc.'), suspended('acme')]);
    const record = await getTenant(pool(), model.tables, 'acme');
    assert.equal(record!.tenant.name, 'Acme\u0000 Inc.');
    assert.equal(tenantView(record!.tenant).status, 'suspended');
    assert.equal(record!.tenant.version, 2);
    assert.ok(record!.position > record!.createdPosition);
    await model.apply([resumed('acme')]);
    assert.equal((await getTenant(pool(), model.tables, tenantIdOf('acme')))!.tenant.suspended, false);
    assert.equal(await getTenant(pool(), model.tables, 'nobody'), null);
  });

  it('lists newest first, filtered, page by page', async () => {
    const model = await fresh();
    const { created, suspended } = story();
    await model.apply([created('acme'), created('beta'), created('acorn'), suspended('beta')]);
    assert.deepEqual(await slugs(model, {}), ['acorn', 'beta', 'acme']);
    assert.deepEqual(await slugs(model, { q: 'ac' }), ['acorn', 'acme']);
    assert.deepEqual(await slugs(model, { q: '%' }), []);
    assert.deepEqual(await slugs(model, { suspended: true }), ['beta']);
    assert.deepEqual(await slugs(model, { suspended: false }), ['acorn', 'acme']);
    const seen: (string | null)[] = [];
    let after: Position | null = null;
    for (let pages = 0; pages < 5; pages++) {
      const page = await listTenants(pool(), model.tables, {}, { limit: 2, after });
      seen.push(...page.items.map((record) => record.tenant.slug));
      after = page.next;
      if (after === null) break;
    }
    assert.deepEqual(seen, ['acorn', 'beta', 'acme']);
  });

  it('refuses what the history of a stream does not allow, and names the stream', async () => {
    const { created, suspended } = story();
    const refuses = async (...events: Decoded[]) => {
      const model = await fresh();
      await assert.rejects(
        model.apply(events),
        (error) => error instanceof BrokenStream && error.message.includes(events[0]!.stream),
      );
    };
    await refuses(suspended('acme'));
    await refuses(created('acme'), created('acme'));
  });

  it('makes the same rows event by event as in one batch', async () => {
    const { created, suspended, resumed } = story();
    const events = [created('a'), created('b'), suspended('a'), suspended('b'), resumed('a')];
    const live = await fresh();
    for (const event of events) await live.apply([event]);
    const rebuilt = await fresh();
    await rebuilt.apply(events);
    assert.deepEqual(await live.rows(), await rebuilt.rows());
  });
});
