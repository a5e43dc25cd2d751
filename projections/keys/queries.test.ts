import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { isRevoked } from '../../commands/keys/is-revoked.ts';
import { keyStream, ownerStream, usageStream } from '../../commands/streams.ts';
import { revisionTables } from '../../infra/postgres/revision-tables.ts';
import type { Position, TenantId } from '../../schemas/envelope.ts';
import { keyStatuses } from '../../schemas/views/keys.ts';
import { issuedData } from '../../test/support/issued-data.ts';
import { findsKeysByIndex } from '../../test/support/query-plans.ts';
import { eventMaker, OTHER_TENANT, readModel, suitePool, TENANT } from '../../test/support/read-model.ts';
import { usageProjection } from '../usage/usage-projection.ts';
import { keyListProjection } from './key-list-projection.ts';
import { countKeys, getKey, type KeyFilter, type KeyReads, listKeys, MAX_SCANNED_KEYS } from './queries.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const PAST = '2026-05-01T00:00:00Z';
const FUTURE = '2026-07-01T00:00:00Z';
const tenant = TENANT as TenantId;
const idOf = (n: number) => `key_${String(n).padStart(12, '0')}`;
const numberOf = (keyId: string) => Number(keyId.slice(4));

describe('queries over keys', () => {
  const pool = suitePool();
  let reads: KeyReads;

  before(async () => {
    const model = await readModel(pool(), keyListProjection);
    const usage = await readModel(pool(), usageProjection);
    reads = { tx: pool(), keys: model.tables, usage: usage.tables };
    const make = eventMaker();
    const issued = (n: number, over: Readonly<Record<string, unknown>> = {}, of: string = TENANT) =>
      make({
        stream: keyStream(idOf(n)),
        type: 'key.issued',
        data: issuedData(idOf(n), over),
        tenant: of,
        timeMs: Date.parse(PAST),
      });
    const key = (n: number, type: string, data: unknown) => make({ stream: keyStream(idOf(n)), type, data });
    await model.apply([
      issued(1, { ownerId: 'ann', name: 'Billing robot', scopes: ['invoices:read'] }),
      issued(2, { ownerId: 'ann', ownerVersion: 1, name: 'billing 100%_done' }),
      issued(3, { ownerId: 'bob', use: 'management' }),
      issued(4, { expiresAt: PAST }),
      issued(5, { notBefore: FUTURE }),
      issued(6, { credits: { remaining: 1, refill: { amount: 5, everySeconds: 60 } } }),
      issued(7, { expiresAt: FUTURE, scopes: ['invoices:read', 'a'] }),
      issued(8, { name: 'foreign tenant' }, OTHER_TENANT),
      key(3, 'key.revoked', { ownerId: 'bob', reason: null, cause: 'request' }),
      key(6, 'key.disabled', { ownerId: null, reason: null }),
      // Revokes key 1, which relied on version 0; key 2 relied on this one.
      make({
        stream: ownerStream(TENANT, 'ann'),
        type: 'owner.keys-revoked',
        data: { ownerId: 'ann', reason: null },
      }),
    ]);
    const count = (n: number, lastAt: string) => ({
      keyId: idOf(n),
      code: 'VALID',
      route: 'verify',
      count: 1,
      lastAt,
    });
    await usage.apply([
      make({
        stream: usageStream(TENANT, '2026-05-02', 'w'),
        type: 'usage.recorded',
        data: {
          writer: 'w',
          minute: '2026-05-02T00:00:00Z',
          counts: [count(2, '2026-05-02T00:00:10Z'), count(7, '2026-05-20T00:00:00Z')],
          decisions: [],
          decisionsDropped: 0,
        },
      }),
    ]);
  });

  const list = async (filter: KeyFilter, limit = 100) => {
    const page = await listKeys(reads, tenant, filter, { limit, after: null }, NOW);
    return page.items.map((record) => numberOf(record.key.keyId));
  };

  it('lists the keys of the tenant, newest first', async () => {
    assert.deepEqual(await list({}), [7, 6, 5, 4, 3, 2, 1]);
  });

  it('pages through all of them, once each', async () => {
    const seen: number[] = [];
    let after: Position | null = null;
    for (let pages = 0; pages < 10; pages++) {
      const page = await listKeys(reads, tenant, {}, { limit: 3, after }, NOW);
      seen.push(...page.items.map((record) => numberOf(record.key.keyId)));
      after = page.next;
      if (after === null) break;
    }
    assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1]);
  });

  it('filters by owner, use, scope and last use', async () => {
    assert.deepEqual(await list({ ownerId: 'ann' }), [2, 1]);
    assert.deepEqual(await list({ use: 'management' }), [3]);
    assert.deepEqual(await list({ scope: 'invoices:read' }), [7, 1]);
    assert.deepEqual(await list({ usedFromMs: Date.parse('2026-05-10T00:00:00Z') }), [7]);
    assert.deepEqual(
      await list({ unusedSinceMs: Date.parse('2026-05-10T00:00:00Z'), ownerId: 'ann' }),
      [2, 1],
    );
  });

  it('reports what was created before a time and not used since another, to the millisecond', async () => {
    const usedMs = Date.parse('2026-05-02T00:00:10Z');
    const unused = { use: 'api', status: 'active', createdBeforeMs: NOW } as const;
    assert.deepEqual(await list({ ...unused, unusedSinceMs: usedMs }), []);
    assert.deepEqual(await list({ ...unused, unusedSinceMs: usedMs + 1 }), [2]);
    assert.deepEqual(await list({ ...unused, unusedSinceMs: NOW }), [7, 2]);
    assert.deepEqual(await list({ unusedSinceMs: 0 }), [6, 5, 4, 3, 1]);
    assert.deepEqual(await list({ createdBeforeMs: Date.parse(PAST) }), []);
    assert.equal((await list({ createdBeforeMs: Date.parse(PAST) + 1 })).length, 7);
    assert.deepEqual(await list({ usedFromMs: usedMs }), [7, 2]);
    assert.deepEqual(await list({ usedFromMs: usedMs + 1 }), [7]);
  });

  it('finds by part of the name, whatever the case, or the start of the id, without wildcards', async () => {
    assert.deepEqual(await list({ q: 'BILLING' }), [2, 1]);
    assert.deepEqual(await list({ q: '%_' }), [2]);
    assert.deepEqual(await list({ q: '_' }), [2]);
    assert.deepEqual(await list({ q: 'key_00000000000' }), [7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(await list({ q: 'foreign' }), []);
    assert.deepEqual(await list({ q: '\u0000' }), []);
  });

  it('filters by status as the domain judges it, revoked through the owner too', async () => {
    assert.deepEqual(await list({ status: 'revoked' }), [3, 1]);
    assert.deepEqual(await list({ status: 'disabled' }), [6]);
    assert.deepEqual(await list({ status: 'not_yet_valid' }), [5]);
    assert.deepEqual(await list({ status: 'expired' }), [4]);
    assert.deepEqual(await list({ status: 'active' }), [7, 2]);
    for (const status of keyStatuses) {
      const { items } = await listKeys(reads, tenant, { status }, { limit: 100, after: null }, NOW);
      for (const record of items) {
        assert.equal(record.status, status);
        assert.equal(isRevoked(record.key, record.owner), status === 'revoked');
      }
    }
  });

  it('judges the time-based statuses at the time given, to the millisecond', async () => {
    const at = async (status: 'expired' | 'not_yet_valid', ms: number) => {
      const { items } = await listKeys(reads, tenant, { status }, { limit: 100, after: null }, ms);
      return items.map((record) => numberOf(record.key.keyId));
    };
    assert.deepEqual(await at('expired', Date.parse(FUTURE) - 1), [4]);
    assert.deepEqual(await at('expired', Date.parse(FUTURE)), [7, 4]);
    assert.deepEqual(await at('not_yet_valid', Date.parse(FUTURE) - 1), [5]);
    assert.deepEqual(await at('not_yet_valid', Date.parse(FUTURE)), []);
  });

  it('counts by status', async () => {
    assert.deepEqual(await countKeys(reads, tenant, NOW), {
      revoked: 2,
      disabled: 1,
      not_yet_valid: 1,
      expired: 1,
      active: 2,
    });
  });

  it('gets one key with its owner and last use, and none of another tenant', async () => {
    const record = await getKey(reads, tenant, idOf(1), NOW);
    assert.equal(record?.status, 'revoked');
    assert.equal(record?.owner.revokedAllVersion, 1);
    assert.equal(
      (await getKey(reads, tenant, idOf(2), NOW))?.lastUsedAtMs,
      Date.parse('2026-05-02T00:00:10Z'),
    );
    assert.equal(await getKey(reads, tenant, idOf(8), NOW), null);
    assert.equal(await getKey(reads, OTHER_TENANT as TenantId, idOf(1), NOW), null);
  });

  describe('with 12,000 keys', () => {
    const KEYS = 12_000;
    let many: KeyReads;

    before(async () => {
      const large = await readModel(pool(), keyListProjection, 2);
      many = { tx: pool(), keys: large.tables, usage: revisionTables('usage', 1) };
      const make = eventMaker();
      for (let from = 0; from < KEYS; from += 2_000) {
        await large.apply(
          Array.from({ length: 2_000 }, (_, i) => {
            const n = from + i;
            return make({
              stream: keyStream(idOf(n)),
              type: 'key.issued',
              data: issuedData(idOf(n), {
                ownerId: `o${n % 1_000}`,
                name: n === 10 ? 'needle' : null,
                expiresAt: n % 100 === 0 ? PAST : FUTURE,
              }),
            });
          }),
        );
      }
      await pool().query(`ANALYZE ${large.tables('keys')}`);
    });

    it('ends a page that looks through too much, and finds the needle on a later one', async () => {
      let after: Position | null = null;
      const found: number[] = [];
      let pages = 0;
      do {
        const page = await listKeys(many, tenant, { q: 'needle' }, { limit: 10, after }, NOW);
        found.push(...page.items.map((record) => numberOf(record.key.keyId)));
        after = page.next;
        pages += 1;
      } while (after !== null && pages < 10);
      assert.deepEqual(found, [10]);
      assert.equal(pages, Math.ceil(KEYS / MAX_SCANNED_KEYS));
    });

    it('finds keys by index', async () => {
      const page = { limit: 20, after: null };
      const unused = { status: 'active', unusedSinceMs: NOW, createdBeforeMs: NOW } as const;
      for (const filter of [{}, { ownerId: 'o7' }, unused]) {
        await findsKeysByIndex(pool(), (tx) => listKeys({ ...many, tx }, tenant, filter, page, NOW));
      }
      await findsKeysByIndex(pool(), (tx) => getKey({ ...many, tx }, tenant, idOf(77), NOW));
    });
  });
});
