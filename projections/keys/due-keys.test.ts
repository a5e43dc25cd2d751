import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { TenantId } from '../../schemas/envelope.ts';
import { idOf, OWNER, story } from '../../test/support/key-story.ts';
import { findsKeysByIndex } from '../../test/support/query-plans.ts';
import { OTHER_TENANT, type ReadModel, readModel, suitePool, TENANT } from '../../test/support/read-model.ts';
import { keysByPage, keysDueToExpire, keysOfOwner } from './due-keys.ts';
import { keysProjection } from './keys-projection.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const PAST = '2026-05-01T00:00:00Z';
const FUTURE = '2026-07-01T00:00:00Z';
const tenant = TENANT as TenantId;

describe('keys on which something is due', () => {
  const pool = suitePool();
  let model: ReadModel;

  before(async () => {
    model = await readModel(pool(), keysProjection);
    const { issued, key, revokedAll } = story();
    await model.apply([
      issued({ ownerId: OWNER, expiresAt: PAST }, idOf(1)),
      issued({ ownerId: OWNER, ownerVersion: 1, expiresAt: FUTURE }, idOf(2)),
      issued({}, idOf(3)),
      issued({ expiresAt: PAST }, idOf(4)),
      issued({ expiresAt: PAST }, idOf(5)),
      issued({ expiresAt: PAST }, idOf(6)),
      key('key.revoked', { ownerId: null, reason: null, cause: 'request' }, idOf(5)),
      key('key.expired', { expiresAt: PAST }, idOf(6)),
      // Revokes key 1, which relied on version 0; key 2 relied on this one.
      revokedAll(),
    ]);
  });

  it('tells the reactor which keys an owner has, page by page', async () => {
    const first = await keysOfOwner(pool(), model.tables, tenant, OWNER, { limit: 1, after: null });
    assert.deepEqual(first.items, [{ keyId: idOf(2), ownerVersion: 1, revoked: false }]);
    const second = await keysOfOwner(pool(), model.tables, tenant, OWNER, { limit: 2, after: first.next });
    assert.deepEqual(second, { items: [{ keyId: idOf(1), ownerVersion: 0, revoked: false }], next: null });
    const other = OTHER_TENANT as TenantId;
    const none = await keysOfOwner(pool(), model.tables, other, OWNER, { limit: 2, after: null });
    assert.deepEqual(none.items, []);
  });

  it('tells the scheduler what is due, and nothing that is revoked or was written already', async () => {
    assert.deepEqual(await keysDueToExpire(pool(), model.tables, NOW, 10), [
      { keyId: idOf(4), tenant: TENANT, dueAtMs: Date.parse(PAST) },
    ]);
  });

  it('pages through every key that no event of its own revoked', async () => {
    const first = await keysByPage(pool(), model.tables, { after: null, limit: 4 });
    assert.deepEqual(
      first.map(({ keyId }) => keyId),
      [1, 2, 3, 4].map(idOf),
    );
    const rest = await keysByPage(pool(), model.tables, { after: idOf(4), limit: 4 });
    assert.deepEqual(rest, [{ keyId: idOf(6), tenant: TENANT }]);
  });

  it('is found by index among many', async () => {
    const large = await readModel(pool(), keysProjection, 2);
    const { issued } = story();
    await large.apply(
      Array.from({ length: 12_000 }, (_, n) =>
        issued({ ownerId: `o${n % 1_000}`, expiresAt: n % 100 === 0 ? PAST : FUTURE }, idOf(n)),
      ),
    );
    await pool().query(`ANALYZE ${large.tables('keys')}`);
    await findsKeysByIndex(pool(), (tx) => keysDueToExpire(tx, large.tables, NOW, 100));
    const page = { limit: 100, after: null };
    await findsKeysByIndex(pool(), (tx) => keysOfOwner(tx, large.tables, tenant, 'o7', page));
    await findsKeysByIndex(pool(), (tx) => keysByPage(tx, large.tables, { after: idOf(77), limit: 100 }));
  });
});
