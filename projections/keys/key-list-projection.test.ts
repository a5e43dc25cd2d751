import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Decoded } from '../../schemas/envelope.ts';
import { idOf, keyHistory, keyStep, OWNER, story } from '../../test/support/key-story.ts';
import { OTHER_TENANT, type ReadModel, readModel, suitePool } from '../../test/support/read-model.ts';
import { lockErasures } from './erasures.ts';
import { keyListProjection } from './key-list-projection.ts';

const PARTITIONS = 3;
const personal = { ownerId: OWNER, name: 'Ann', metadata: { mail: 'ann@example.org' } };

/** A history cut into feeds: each stream is in one of them, in order. */
function feedsOf(events: readonly Decoded[], partitions: readonly number[]): Decoded[][] {
  const feeds: Decoded[][] = Array.from({ length: PARTITIONS }, () => []);
  const streams = [...new Set(events.map((event) => event.stream))];
  for (const event of events) {
    feeds[partitions[streams.indexOf(event.stream) % partitions.length]!]!.push(event);
  }
  return feeds;
}

const histories = fc.record({
  steps: fc.array(keyStep, { minLength: 1, maxLength: 50 }),
  partitions: fc.array(fc.nat(PARTITIONS - 1), { minLength: 3, maxLength: 12 }),
  turns: fc.array(fc.record({ feed: fc.nat(PARTITIONS - 1), events: fc.integer({ min: 1, max: 8 }) })),
});

describe('the list of keys', () => {
  const pool = suitePool();
  let revision = 0;
  const fresh = (): Promise<ReadModel> => readModel(pool(), keyListProjection, ++revision);
  const keyRow = async (model: ReadModel, n = 0) => {
    const row = (await model.rows()).keys![n]!;
    return { ...row, state: JSON.parse(row.state as string) } as Record<string, unknown> & {
      state: Record<string, unknown>;
    };
  };
  const drop = async (...models: number[]) => {
    for (const n of models) await pool().query(`DROP SCHEMA rm_key_list_${n} CASCADE`);
  };
  const inOrderOfTheLog = async (events: readonly Decoded[]) => {
    const model = await fresh();
    await model.apply(events);
    return model.rows();
  };

  it('writes a row for an issued key, its name in lower case for the search', async () => {
    const model = await fresh();
    await model.apply([
      story().issued({ ownerId: OWNER, name: 'Ünit Tests', scopes: ['a:read'], metadata: { x: 1 } }),
    ]);
    const row = await keyRow(model);
    assert.equal(row.name_search, 'ünit tests');
    assert.deepEqual(row.scopes, ['a:read']);
    assert.equal(row.created_position, row.position);
    assert.deepEqual(row.state.metadata, { x: 1 });
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

  describe('an erasure', () => {
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

  it('is blank for an erased person, whichever of key and erasure is applied first', async () => {
    const { issued, erased, key } = story();
    const before = issued(personal);
    const erasure = erased();
    const after = key('key.renamed', { ownerId: OWNER, name: 'New' });
    for (const order of [
      [before, erasure, after],
      [before, after, erasure],
      [erasure, before, after],
    ]) {
      const model = await fresh();
      for (const event of order) await model.apply([event]);
      const rows = await model.rows();
      const state = JSON.parse(rows.keys![0]!.state as string);
      assert.equal(state.name, 'New');
      assert.equal(state.metadata, null);
    }
  });

  it('ends with the rows of the log whatever the interleaving of its streams', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ steps, partitions, turns }) => {
        const events = keyHistory(steps);
        const feeds = feedsOf(events, partitions);
        const fed = await fresh();
        for (const { feed, events: size } of turns) {
          const batch = feeds[feed]!.splice(0, size);
          if (batch.length > 0) await fed.apply(batch);
        }
        for (const rest of feeds) if (rest.length > 0) await fed.apply(rest);
        assert.deepEqual(await fed.rows(), await inOrderOfTheLog(events));
        await drop(revision, revision - 1);
      }),
      { numRuns: 60 },
    );
  });

  it('ends with the rows of the log when partitions are applied in concurrent transactions', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ steps, partitions }) => {
        const events = keyHistory(steps);
        const fed = await fresh();
        await Promise.all(
          feedsOf(events, partitions).map(async (feed) => {
            while (feed.length > 0) await fed.apply(feed.splice(0, 2));
          }),
        );
        assert.deepEqual(await fed.rows(), await inOrderOfTheLog(events));
        await drop(revision, revision - 1);
      }),
      { numRuns: 15 },
    );
  });

  for (const first of ['key', 'erasure'] as const) {
    it(`makes the other wait while the transaction of the ${first} is open, and is blank after both`, async () => {
      const { issued, erased } = story();
      const events = { key: issued(personal), erasure: erased() };
      const model = await fresh();
      const second = first === 'key' ? 'erasure' : 'key';
      let later: Promise<void> | undefined;
      let done = false;
      await pool().transaction(async (tx) => {
        await model.applyIn(tx, [events[first]]);
        later = model.apply([events[second]]).then(() => {
          done = true;
        });
        for (let polls = 0; polls < 1_000; polls++) {
          const [waiting] = await pool().query(
            `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          );
          if (waiting || done) break;
        }
        assert.equal(done, false, 'it did not wait');
      });
      await later;
      assert.equal((await model.rows()).keys![0]!.name_search, null);
    });
  }

  it('lets batches of keys run beside each other', async () => {
    const { issued } = story();
    const model = await fresh();
    await pool().transaction(async (tx) => {
      await lockErasures(tx, model.tables, 'shared');
      await model.apply([issued(personal)]);
    });
    assert.equal((await model.rows()).keys!.length, 1);
  });
});

function blankFields(event: Decoded): object {
  return event.type === 'key.issued' ? { name: null, metadata: null } : { name: null };
}
