import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { noOwner } from '../../commands/keys/owner-state.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import { revisionTables } from '../../infra/postgres/revision-tables.ts';
import type { TenantId } from '../../schemas/envelope.ts';
import { issuedData } from '../../test/support/issued-data.ts';
import {
  eventMaker,
  OTHER_TENANT,
  positionOf,
  readModel,
  suitePool,
  TENANT,
} from '../../test/support/read-model.ts';
import { keysProjection } from './keys-projection.ts';
import { type KeyLookup, type Primary, verifyRowLoader } from './verify-row.ts';

const idOf = (n: number) => `key_${String(n).padStart(12, '0')}`;
const EPOCH = '11111111-1111-4111-8111-111111111111';
const KEYS = 10_000;

describe('the rows that verify reads', () => {
  const pool = suitePool();
  const tablesOf = (revision: number) => revisionTables('keys', revision);
  let statements: { text: string; params: readonly unknown[] }[] = [];
  const primary: Primary = {
    query(statement, params) {
      statements.push({ text: statement.text, params });
      return pool().query(statement, params);
    },
  };

  before(async () => {
    const model = await readModel(pool(), keysProjection);
    await readModel(pool(), keysProjection, 2);
    await pool().query(`INSERT INTO plinth.projections VALUES ('keys', 1, 2)`);
    await pool().query(
      `INSERT INTO plinth.checkpoints (projection, revision, code_revision, state, epoch, "position", event_id)
       VALUES ('keys', 1, 1, 'current', $1, $2, 'event-9'), ('keys', 2, 1, 'building', $1, '', NULL)`,
      [EPOCH, positionOf(9)],
    );
    const make = eventMaker();
    const issued = (n: number, over: Readonly<Record<string, unknown>>, tenant = TENANT) =>
      make({ stream: keyStream(idOf(n)), type: 'key.issued', data: issuedData(idOf(n), over), tenant });
    const foreign = (digest: string) => ({
      format: 'foreign',
      secret: { digest, pepperVersions: [1], hint: null },
    });
    await model.apply([
      make({
        stream: tenantStream(TENANT),
        type: 'tenant.created',
        data: { tenantId: TENANT, slug: 'acme', name: 'Acme' },
      }),
      make({ stream: tenantStream(TENANT), type: 'tenant.suspended', data: { reason: null } }),
      issued(1, { ownerId: 'ann' }),
      make({
        stream: ownerStream(TENANT, 'ann'),
        type: 'owner.keys-revoked',
        data: { ownerId: 'ann', reason: null },
      }),
      issued(2, foreign('old digest')),
      issued(3, foreign('shared digest')),
      issued(4, foreign('shared digest'), OTHER_TENANT),
      issued(5, foreign('old digest')),
    ]);
    for (let from = 100; from < KEYS; from += 1_100) {
      await model.apply(
        Array.from({ length: 1_100 }, (_, i) =>
          issued(from + i, { ...foreign(`digest ${from + i}`), ownerId: `o${i}` }),
        ),
      );
    }
    await pool().query(`ANALYZE ${tablesOf(1)('keys')}`);
    await pool().query(`ANALYZE ${tablesOf(1)('key_digests')}`);
  });
  beforeEach(() => {
    statements = [];
  });

  const load = (...lookups: KeyLookup[]) => verifyRowLoader(primary, tablesOf)(lookups);
  const byDigest = (tenant: string, ...digests: string[]): KeyLookup => ({
    tenant: tenant as TenantId,
    digests,
  });

  it('finds a key by its id, with its owner, its tenant and the stamp', async () => {
    const { stamp, halted, rows } = await load({ keyId: idOf(1) });
    assert.deepEqual(stamp, { epoch: EPOCH, revision: 1, position: positionOf(9), eventId: 'event-9' });
    assert.equal(halted, null);
    assert.equal(rows[0]!.key?.keyId, idOf(1));
    assert.equal(rows[0]!.owner.revokedAllVersion, 1);
    assert.deepEqual(rows[0]!.tenant, { tenantId: TENANT, slug: 'acme', suspended: true });
    assert.deepEqual(rows[0]!.parked, { key: false, owner: false, tenant: false });
  });

  it('answers the stamp when there is no such key, and when nothing is asked', async () => {
    const { stamp, rows } = await load({ keyId: idOf(99) });
    assert.equal(stamp.position, positionOf(9));
    assert.deepEqual(rows, [
      { key: null, owner: noOwner, tenant: null, parked: { key: false, owner: false, tenant: false } },
    ]);
    assert.deepEqual((await load()).rows, []);
  });

  it('finds a foreign key by any of its candidates, within the tenant alone', async () => {
    const { rows } = await load(
      byDigest(TENANT, 'under another pepper', 'shared digest'),
      byDigest(OTHER_TENANT, 'shared digest'),
      byDigest(TENANT, 'nobody has it'),
      byDigest(OTHER_TENANT, 'old digest'),
    );
    assert.deepEqual(
      rows.map((row) => row.key?.keyId ?? null),
      [idOf(3), idOf(4), null, null],
    );
  });

  it('takes the key issued last where two of a tenant have one digest', async () => {
    assert.equal((await load(byDigest(TENANT, 'old digest'))).rows[0]!.key?.keyId, idOf(5));
  });

  it('answers a batch in the order asked, in one statement', async () => {
    const loader = verifyRowLoader(primary, tablesOf);
    await loader([]);
    statements = [];
    const lookups: KeyLookup[] = Array.from({ length: 50 }, (_, i) => ({ keyId: idOf(1_000 - i) }));
    lookups.push(byDigest(TENANT, 'digest 500'), { keyId: idOf(1) }, { keyId: idOf(1) });
    const { rows } = await loader(lookups);
    assert.deepEqual(
      rows.map((row) => row.key?.keyId),
      [
        ...lookups.slice(0, 50).map((lookup) => 'keyId' in lookup && lookup.keyId),
        idOf(500),
        idOf(1),
        idOf(1),
      ],
    );
    assert.equal(statements.length, 1);
  });

  it('refuses more look-ups than are allowed', async () => {
    await assert.rejects(load(...Array.from({ length: 101 }, () => ({ keyId: idOf(1) }))), RangeError);
  });

  it("tells when the key's, the owner's or the tenant's stream is parked", async () => {
    const parks = async (stream: string, keyId: string) => {
      await pool().query(
        `INSERT INTO plinth.parked_streams VALUES ('keys', 1, $1, 1, '', 1, 1, 'broken'), ('keys', 2, 'x', 1, '', 1, 1, '')`,
        [stream],
      );
      const { rows } = await load({ keyId });
      await pool().query('DELETE FROM plinth.parked_streams');
      return rows[0]!;
    };
    const none = { key: false, owner: false, tenant: false };
    assert.deepEqual((await parks(keyStream(idOf(1)), idOf(1))).parked, { ...none, key: true });
    assert.deepEqual((await parks(ownerStream(TENANT, 'ann'), idOf(1))).parked, { ...none, owner: true });
    assert.deepEqual((await parks(tenantStream(TENANT), idOf(1))).parked, { ...none, tenant: true });
    assert.deepEqual((await parks(keyStream(idOf(2)), idOf(1))).parked, none);
    const unborn = await parks(keyStream(idOf(99)), idOf(99));
    assert.equal(unborn.key, null);
    assert.deepEqual(unborn.parked, { ...none, key: true });
  });

  it('tells a halt', async () => {
    await pool().query(`UPDATE plinth.checkpoints SET halted = 'restored' WHERE revision = 1`);
    assert.equal((await load({ keyId: idOf(1) })).halted, 'restored');
    await pool().query('UPDATE plinth.checkpoints SET halted = NULL');
  });

  it('follows a swap, before and after the old tables are dropped, and its answers are all of one revision', async () => {
    const loader = verifyRowLoader(primary, tablesOf);
    assert.ok((await loader([{ keyId: idOf(1) }])).rows[0]!.key);
    await pool().query(`UPDATE plinth.projections SET current_revision = 2`);
    const swapped = await loader([{ keyId: idOf(1) }]);
    assert.equal(swapped.stamp.revision, 2);
    assert.equal(swapped.rows[0]!.key, null);
    await pool().query(`ALTER SCHEMA rm_keys_2 RENAME TO gone`);
    await pool().query(`UPDATE plinth.projections SET current_revision = 1`);
    const back = await loader([{ keyId: idOf(1) }]);
    assert.equal(back.stamp.revision, 1);
    assert.ok(back.rows[0]!.key);
    await pool().query(`ALTER SCHEMA gone RENAME TO rm_keys_2`);
  });

  it('reads by index', async () => {
    await load({ keyId: idOf(1) }, byDigest(TENANT, 'digest 500'));
    const { text, params } = statements.at(-1)!;
    const plan = await pool().query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, params);
    const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
    assert.doesNotMatch(lines, /Seq Scan on (keys|key_digests)\b/);
    assert.match(lines, /keys_pkey/);
    assert.match(lines, /key_digests_pkey/);
  });
});
