import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tenantIdOf } from '../../commands/ids.ts';
import { tenantStream } from '../../commands/streams.ts';
import { tenantView } from '../../commands/tenants/tenant-view.ts';
import type { Decoded, Position } from '../../schemas/envelope.ts';
import { eventMaker, type ReadModel, readModel, suitePool } from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import type { Tx } from '../projection.ts';
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

  it('makes the same rows live in any batches as rebuilt in one', async () => {
    const step = fc.record({ tenant: fc.nat(4), suspend: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(5), { minLength: 1 }),
        async (steps, cuts) => {
          const { created, suspended, resumed } = story();
          const known = new Set<string>();
          const events = steps.map(({ tenant, suspend }) => {
            const slug = `t${tenant}`;
            if (known.has(slug)) return suspend ? suspended(slug) : resumed(slug);
            known.add(slug);
            return created(slug, suspend ? null : `\u0000${slug}`);
          });
          const live = await fresh();
          for (let from = 0, n = 0; from < events.length; n++) {
            const size = 1 + cuts[n % cuts.length]!;
            await live.apply(events.slice(from, from + size));
            from += size;
          }
          const rebuilt = await fresh();
          await rebuilt.apply(events);
          assert.deepEqual(await live.rows(), await rebuilt.rows());
          for (const n of [revision, revision - 1]) {
            await pool().query(`DROP SCHEMA rm_tenants_${n} CASCADE`);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  it('gets one, and lists a page, by index', async () => {
    const model = await fresh();
    const { created } = story();
    await model.apply(Array.from({ length: 3_000 }, (_, n) => created(`tenant-${n}`)));
    await pool().query(`ANALYZE ${model.tables('tenants')}`);
    const plan: string[] = [];
    const tx: Tx = {
      async query(sql, params) {
        const lines = await pool().query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, params);
        plan.push(...lines.map((row) => row['QUERY PLAN']));
        return pool().query(sql, params);
      },
    };
    const found = await getTenant(tx, model.tables, 'tenant-77');
    assert.equal(found!.tenant.slug, 'tenant-77');
    const page = await listTenants(tx, model.tables, {}, { limit: 20, after: null });
    assert.equal(page.items.length, 20);
    await listTenants(tx, model.tables, { suspended: false }, { limit: 20, after: page.next });
    assert.doesNotMatch(plan.join('\n'), /Seq Scan|Sort/);
  });
});
