import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ownerStream } from '../../commands/streams.ts';
import type { Decoded } from '../../schemas/envelope.ts';
import { idOf, KEY, keyHistory, keyStep, OWNER, story } from '../../test/support/key-story.ts';
import {
  issuedData,
  OTHER_TENANT,
  type ReadModel,
  readModel,
  suitePool,
  TENANT,
} from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import { keysProjection } from './keys-projection.ts';

describe('the keys projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = (): Promise<ReadModel> => readModel(pool(), keysProjection, ++revision);
  const keyRow = async (model: ReadModel, n = 0) => {
    const row = (await model.rows()).keys![n]!;
    return { ...row, state: JSON.parse(row.state as string) } as Record<string, unknown> & {
      state: Record<string, unknown>;
    };
  };

  it('writes a row for an issued key, with its owner and tenant', async () => {
    const model = await fresh();
    const { issued } = story();
    await model.apply([
      issued({ ownerId: OWNER, name: 'Ünit Tests', scopes: ['a:read'], metadata: { x: 1 } }),
    ]);
    const row = await keyRow(model);
    assert.equal(row.tenant, TENANT);
    assert.equal(row.owner_stream, ownerStream(TENANT, OWNER));
    assert.equal(row.name_search, 'ünit tests');
    assert.deepEqual(row.scopes, ['a:read']);
    assert.equal(row.version, 1);
    assert.equal(row.created_position, row.position);
    assert.deepEqual(row.state.metadata, { x: 1 });
  });

  it('folds later events onto the row, whether in the same batch or the next', async () => {
    const { issued, key } = story();
    const events = [
      issued(),
      key('key.renamed', { ownerId: null, name: 'b' }),
      key('key.disabled', { ownerId: null, reason: null }),
    ];
    const one = await fresh();
    await one.apply(events);
    const many = await fresh();
    for (const event of events) await many.apply([event]);
    assert.deepEqual(await many.rows(), await one.rows());
    const row = await keyRow(one);
    assert.equal(row.disabled, true);
    assert.equal(row.version, 3);
    assert.equal(row.state.name, 'b');
  });

  it('keeps names and metadata that a text column would refuse', async () => {
    const model = await fresh();
    const { issued } = story();
    await model.apply([issued({ name: 'a\u0000B\ud800', metadata: { '\u0000': '\u0000"\\' } })]);
    const row = await keyRow(model);
    assert.equal(row.state.name, 'a\u0000B\ud800');
    assert.deepEqual(row.state.metadata, { '\u0000': '\u0000"\\' });
    assert.equal(row.name_search, 'ab\ufffd');
  });

  it('files a foreign key under each of its digests, and follows repeppering and rotation', async () => {
    const model = await fresh();
    const { issued, key } = story();
    await model.apply([issued({ format: 'foreign' })]);
    await model.apply([
      key('key.repeppered', { secrets: [{ digest: 'nested', pepperVersions: [1, 2] }] }),
      key('key.rotated', {
        secret: { digest: 'new', pepperVersions: [2], hint: 'wxyz' },
        overlapUntil: '2030-01-01T00:00:00Z',
      }),
    ]);
    const digests = (await model.rows()).key_digests!;
    assert.deepEqual(
      digests.map((row) => row.digest),
      ['nested', 'new'],
    );
    assert.ok(digests.every((row) => row.tenant === TENANT && row.key_id === KEY));
  });

  it('files no digest of a key in our own format', async () => {
    const model = await fresh();
    await model.apply([story().issued()]);
    assert.deepEqual((await model.rows()).key_digests, []);
  });

  it('writes a revoke-all on the owner alone, and leaves the keys to the rule', async () => {
    const model = await fresh();
    const { issued, revokedAll } = story();
    await model.apply([issued({ ownerId: OWNER }), revokedAll()]);
    const { owners } = await model.rows();
    assert.equal(owners![0]!.revoked_all_version, 1);
    assert.equal((await keyRow(model)).revoked, false);
  });

  it('follows a tenant through suspension', async () => {
    const model = await fresh();
    const { tenant } = story();
    await model.apply([
      tenant('tenant.created', { tenantId: TENANT, slug: 'acme', name: 'Acme' }),
      tenant('tenant.suspended', { reason: null }),
    ]);
    assert.equal((await model.rows()).tenants![0]!.suspended, true);
    await model.apply([tenant('tenant.resumed', { reason: null })]);
    assert.equal((await model.rows()).tenants![0]!.suspended, false);
  });

  describe('an erasure', () => {
    const personal = { ownerId: OWNER, name: 'Ann', metadata: { mail: 'ann@example.org' } };

    it("blanks the owner's keys, those of the batch and those before it", async () => {
      const model = await fresh();
      const { issued, erased } = story();
      await model.apply([issued(personal, idOf(1))]);
      await model.apply([issued(personal, idOf(2)), erased()]);
      for (const n of [0, 1]) {
        const row = await keyRow(model, n);
        assert.equal(row.state.name, null);
        assert.equal(row.state.metadata, null);
        assert.equal(row.name_search, null);
      }
      assert.ok(!JSON.stringify(await model.rows()).includes('ann@example.org'));
    });

    it('leaves other people and other tenants alone', async () => {
      const model = await fresh();
      const { issued, erased } = story();
      await model.apply([issued(personal), erased('bob'), erased(OWNER, OTHER_TENANT)]);
      assert.equal((await keyRow(model)).state.name, 'Ann');
    });

    it('leaves what is set after it', async () => {
      const model = await fresh();
      const { issued, erased, key } = story();
      await model.apply([issued(personal), erased(), key('key.renamed', { ownerId: OWNER, name: 'New' })]);
      const { state } = await keyRow(model);
      assert.equal(state.name, 'New');
      assert.equal(state.metadata, null);
    });

    it('leaves name and metadata that were both set after it, when a later batch touches the key', async () => {
      const model = await fresh();
      const { issued, erased, key } = story();
      await model.apply([issued(personal), erased()]);
      await model.apply([
        key('key.renamed', { ownerId: OWNER, name: 'New' }),
        key('key.metadata-changed', { ownerId: OWNER, metadata: { still: 'here' } }),
      ]);
      await model.apply([key('key.scopes-changed', { scopes: ['a'] })]);
      const { state } = await keyRow(model);
      assert.equal(state.name, 'New');
      assert.deepEqual(state.metadata, { still: 'here' });
    });

    it('makes live rows equal to those of a rebuild, which decodes the fields as null', async () => {
      const { issued, erased, key } = story();
      const live = [
        issued(personal),
        key('key.renamed', { ownerId: OWNER, name: 'Ann K.' }),
        // Written between the closing of the data keys and the erasure: under a key that stays.
        key('key.metadata-changed', { ownerId: OWNER, metadata: { under: 'the next data key' } }),
        erased(),
      ];
      const rebuilt = live.map((event) =>
        event.type === 'key.issued' || event.type === 'key.renamed'
          ? { ...event, data: { ...(event.data as object), ...blankFields(event) } }
          : event,
      );
      const one = await fresh();
      for (const event of live) await one.apply([event]);
      const other = await fresh();
      await other.apply(rebuilt);
      assert.deepEqual(await other.rows(), await one.rows());
      assert.equal((await keyRow(one)).state.metadata, null);
    });

    it('holds for a parked stream that is replayed after it', async () => {
      const { issued, erased, key } = story();
      const first = issued(personal);
      const parked = key('key.renamed', { ownerId: OWNER, name: 'Ann, again' });
      const last = erased();
      const live = await fresh();
      await live.apply([first]);
      await live.apply([last]);
      await live.apply([parked]);
      const rebuilt = await fresh();
      await rebuilt.apply([first, parked, last]);
      assert.deepEqual(await rebuilt.rows(), await live.rows());
      assert.equal((await keyRow(live)).state.name, null);
    });

    it('reaches every key of an owner with more than a page of them', async () => {
      const model = await fresh();
      const { issued, erased } = story();
      await model.apply(Array.from({ length: 1_001 }, (_, n) => issued(personal, idOf(n))));
      await model.apply([erased()]);
      assert.ok((await model.rows()).keys!.every((row) => row.name_search === null));
    });
  });

  describe('an event that its stream does not allow', () => {
    const refuses = async (events: readonly Decoded[], stream: string) => {
      const model = await fresh();
      await assert.rejects(
        model.apply(events),
        (error) => error instanceof BrokenStream && error.message.includes(stream),
      );
      assert.deepEqual((await model.rows()).keys, []);
    };
    it('names the stream when a key was never issued', () =>
      refuses([story().key('key.renamed', { ownerId: null, name: 'x' })], `key-${KEY}`));
    it('names the stream when a key is issued twice', () => {
      const { issued } = story();
      return refuses([issued(), issued()], `key-${KEY}`);
    });
    it('names the stream when it issues a key of another stream', () =>
      refuses([story().key('key.issued', issuedData(idOf(2)))], `key-${KEY}`));
    it('names the stream when a version comes again', () => {
      const { issued, key } = story();
      const renamed = key('key.renamed', { ownerId: null, name: 'x' });
      return refuses([issued(), renamed, renamed], `key-${KEY}`);
    });
    it('names the stream when a tenant was never created', () =>
      refuses([story().tenant('tenant.suspended', { reason: null })], `tenant-${TENANT}`));
  });

  it('costs the same number of statements for one event and for a thousand', async () => {
    const model = await fresh();
    const count = async (events: readonly Decoded[]) => {
      let statements = 0;
      await model.pool.transaction((tx) =>
        keysProjection.apply(
          {
            query: (sql, params) => {
              statements += 1;
              return tx.query(sql, params);
            },
          },
          model.tables,
          events,
        ),
      );
      return statements;
    };
    const { issued, key } = story();
    const setUp = Array.from({ length: 500 }, (_, n) => issued({ ownerId: `o${n}`, name: 'n' }, idOf(n)));
    const few = await count(setUp.slice(0, 1));
    await count(setUp.slice(1));
    const many = await count(
      Array.from({ length: 1_000 }, (_, n) =>
        n < 500
          ? key('key.renamed', { ownerId: `o${n}`, name: `${n}` }, idOf(n))
          : issued({ ownerId: `o${n}`, name: 'n' }, idOf(n)),
      ),
    );
    // Two more than `few`: rows of known keys are loaded, and many rows are sent in two parts.
    assert.ok(many <= few + 2, `${many} statements for 1,000 events, ${few} for one`);
  });

  it('makes the same rows live in any batches as rebuilt in one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(keyStep, { minLength: 1, maxLength: 60 }),
        fc.array(fc.nat(7)),
        async (steps, cuts) => {
          const events = keyHistory(steps);
          const live = await fresh();
          let from = 0;
          for (let n = 0; from < events.length; n++) {
            const size = 1 + (cuts[n % Math.max(1, cuts.length)] ?? 3);
            await live.apply(events.slice(from, from + size));
            from += size;
          }
          const rebuilt = await fresh();
          await rebuilt.apply(events);
          assert.deepEqual(await rebuilt.rows(), await live.rows());
          await pool().query(`DROP SCHEMA rm_keys_${revision} CASCADE`);
          await pool().query(`DROP SCHEMA rm_keys_${revision - 1} CASCADE`);
        },
      ),
      { numRuns: 40 },
    );
  });
});

function blankFields(event: Decoded): object {
  return event.type === 'key.issued' ? { name: null, metadata: null } : { name: null };
}
