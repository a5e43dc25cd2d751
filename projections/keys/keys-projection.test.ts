import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ownerStream } from '../../commands/streams.ts';
import type { Decoded } from '../../schemas/envelope.ts';
import { eventCatalogue } from '../../schemas/events/catalogue.ts';
import { eventSchema, personalFieldsOf } from '../../schemas/events/event-schema.ts';
import { subjectEvents } from '../../schemas/events/subjects.ts';
import { issuedData } from '../../test/support/issued-data.ts';
import { idOf, KEY, keyHistory, keyStep, OWNER, story } from '../../test/support/key-story.ts';
import { positionOf, type ReadModel, readModel, suitePool, TENANT } from '../../test/support/read-model.ts';
import { BrokenStream } from '../broken-stream.ts';
import { keysProjection } from './keys-projection.ts';

describe('the keys projection', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = (): Promise<ReadModel> => readModel(pool(), keysProjection, ++revision);
  const keyRow = async (model: ReadModel) => {
    const row = (await model.rows()).keys![0]!;
    return { ...row, state: JSON.parse(row.state as string) } as Record<string, unknown> & {
      state: Record<string, unknown>;
    };
  };

  it('writes a row for an issued key, with its owner and tenant', async () => {
    const model = await fresh();
    const { issued } = story();
    await model.apply([issued({ ownerId: OWNER, scopes: ['a:read'] })]);
    const row = await keyRow(model);
    assert.equal(row.tenant, TENANT);
    assert.equal(row.owner_stream, ownerStream(TENANT, OWNER));
    assert.equal(row.created_position, positionOf(1));
    assert.deepEqual(row.state.scopes, ['a:read']);
    assert.equal(row.state.version, 1);
  });

  it('folds later events onto the row, whether in the same batch or the next', async () => {
    const { issued, key } = story();
    const events = [
      issued(),
      key('key.scopes-changed', { scopes: ['b'] }),
      key('key.disabled', { ownerId: null, reason: null }),
    ];
    const one = await fresh();
    await one.apply(events);
    const many = await fresh();
    for (const event of events) await many.apply([event]);
    assert.deepEqual(await many.rows(), await one.rows());
    const row = await keyRow(one);
    assert.equal(row.state.disabled, true);
    assert.equal(row.state.version, 3);
    assert.deepEqual(row.state.scopes, ['b']);
  });

  it('keeps neither names nor metadata, whatever sets them', async () => {
    const model = await fresh();
    const { issued, key } = story();
    await model.apply([issued({ ownerId: OWNER, name: 'Ann', metadata: { mail: 'ann@example.org' } })]);
    await model.apply([
      key('key.renamed', { ownerId: OWNER, name: 'a\u0000B\ud800' }),
      key('key.metadata-changed', { ownerId: OWNER, metadata: { mail: 'Ann@example.org' } }),
    ]);
    const { state } = await keyRow(model);
    assert.equal(state.name, null);
    assert.equal(state.metadata, null);
    assert.equal(state.version, 3);
    assert.doesNotMatch(JSON.stringify(await model.rows()), /example\.org/i);
  });

  it('has nothing of an erasure', () => {
    assert.deepEqual(
      Object.keys(subjectEvents).filter((type) => keysProjection.types.has(type)),
      [],
    );
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
        model.applyIn(
          {
            query: (sql, params) => {
              statements += 1;
              return tx.query(sql, params);
            },
          },
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

  it('makes the same rows live in any batches as rebuilt in one, whatever people wrote', async () => {
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
          await rebuilt.apply(events.map(unopened));
          assert.deepEqual(await rebuilt.rows(), await live.rows());
          await pool().query(`DROP SCHEMA rm_keys_${revision} CASCADE`);
          await pool().query(`DROP SCHEMA rm_keys_${revision - 1} CASCADE`);
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** As it is decoded for this projection. */
function unopened(event: Decoded): Decoded {
  const personal = personalFieldsOf(eventSchema(eventCatalogue.get(event.type)!));
  return {
    ...event,
    data: { ...(event.data as object), ...Object.fromEntries(personal.map((field) => [field, null])) },
  };
}
