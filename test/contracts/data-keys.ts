/** The contract of the data keys over a key store. An adapter inherits it in a few lines. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type DataKey, type DataKeys, type KeyLookup, KeyStoreBehind } from '../../commands/data-keys.ts';
import type { StoreDataKeys } from '../../infra/secrets/store-data-keys.ts';
import type { Bookmark, Epoch, EventId, Position, TenantId } from '../../schemas/envelope.ts';
import { START } from '../../schemas/envelope.ts';
import type { FakeClock } from '../support/fake-clock.ts';

export interface OpenedDataKeys {
  /** On the contract's clock. */
  readonly dataKeys: StoreDataKeys;
  /** The same store as another process has it open, with caches of its own. */
  readonly elsewhere: StoreDataKeys;
  readonly clock: FakeClock;
  /** Takes a copy of the store; what it answers puts it back. */
  copy(): Promise<() => Promise<void>>;
  /** What `plinth log restored` does to the store. */
  restart(epoch: Epoch): Promise<void>;
}

export interface DataKeysContractOptions {
  /** A fresh, empty store, closed after the test. */
  open(t: TestContext): Promise<OpenedDataKeys>;
}

const TENANT = 'tnt_00000000000000000000000000000001' as TenantId;
const OTHER = 'tnt_00000000000000000000000000000002' as TenantId;
const EPOCH = 'epoch-1' as Epoch;

export function at(n: number): Position {
  return (n === 0 ? START : String(n).padStart(20, '0')) as Position;
}
function bookmark(n: number, epoch = EPOCH): Bookmark {
  return { epoch, position: at(n), eventId: n === 0 ? null : (`event-${n}` as EventId) };
}
function erasure(after: number, through: number, keyIds: readonly string[], position = through) {
  return { after: at(after), erasures: [{ keyIds, position: at(position) }], bookmark: bookmark(through) };
}
function bytesOf(key: DataKey): string {
  return key.key.export().toString('hex');
}
async function find(dataKeys: DataKeys, keyId: string): Promise<KeyLookup> {
  return (await dataKeys.lookup([keyId])).get(keyId)!;
}
async function found(dataKeys: DataKeys, keyId: string): Promise<DataKey> {
  const one = await find(dataKeys, keyId);
  assert(one !== 'missing' && 'key' in one, 'the key is there');
  return one;
}

export function dataKeysContract(name: string, options: DataKeysContractOptions): void {
  describe(name, () => {
    describe('the active key', () => {
      it('is made once, and is the same for every process', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const key = await dataKeys.active(TENANT, 'alice');
        assert.equal((await dataKeys.active(TENANT, 'alice')).keyId, key.keyId);
        const there = await elsewhere.active(TENANT, 'alice');
        assert.equal(there.keyId, key.keyId);
        assert.equal(bytesOf(there), bytesOf(key));
      });

      it('is one when many in two processes race for it', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const keys = await Promise.all(
          Array.from({ length: 64 }, (_, n) =>
            (n % 2 ? dataKeys : elsewhere).active(TENANT, n % 4 < 2 ? 'alice' : 'bob'),
          ),
        );
        assert.equal(new Set(keys.map((key) => key.keyId)).size, 2);
        assert.equal(new Set(keys.map(bytesOf)).size, 2);
      });

      it('differs by tenant, by subject, and for the tenant itself', async (t) => {
        const { dataKeys } = await options.open(t);
        const keys = await Promise.all([
          dataKeys.active(TENANT, null),
          dataKeys.active(TENANT, 'alice'),
          dataKeys.active(TENANT, 'bob'),
          dataKeys.active(OTHER, null),
          dataKeys.active(OTHER, 'alice'),
        ]);
        assert.equal(new Set(keys.map((key) => key.keyId)).size, 5);
      });

      it('is committed before it is answered', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const key = await dataKeys.active(TENANT, 'alice');
        assert.equal(bytesOf(await found(elsewhere, key.keyId)), bytesOf(key));
      });

      it('is held for 5 s at most, from before the store was asked', async (t) => {
        const { dataKeys, clock } = await options.open(t);
        const askedMs = clock.now();
        const key = await dataKeys.active(TENANT, 'alice');
        assert.equal(key.usableUntilMs, askedMs + 5_000);
        assert(dataKeys.held() > 0);
        await clock.advance(10_001);
        assert.equal(dataKeys.held(), 0, 'it is forgotten although nobody asked again');
        const again = await dataKeys.active(TENANT, 'alice');
        assert.equal(again.usableUntilMs, clock.now() + 5_000);
        assert.equal(again.keyId, key.keyId);
      });
    });

    describe('closing a subject', () => {
      it('names every key it ever had, keeps them readable, and makes room for a new one', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const first = await dataKeys.active(TENANT, 'alice');
        await dataKeys.active(TENANT, 'bob');
        await dataKeys.active(OTHER, 'alice');
        assert.deepEqual(await dataKeys.close(TENANT, 'alice'), [first.keyId]);
        const second = await dataKeys.active(TENANT, 'alice');
        assert.notEqual(second.keyId, first.keyId);
        assert.deepEqual(await dataKeys.close(TENANT, 'alice'), [first.keyId, second.keyId].sort());
        assert.equal(bytesOf(await found(elsewhere, first.keyId)), bytesOf(first));
      });

      it('leaves another process its held key for no more than 5 s', async (t) => {
        const { dataKeys, elsewhere, clock } = await options.open(t);
        const held = await elsewhere.active(TENANT, 'alice');
        await dataKeys.close(TENANT, 'alice');
        await clock.advance(5_001);
        assert.notEqual((await elsewhere.active(TENANT, 'alice')).keyId, held.keyId);
      });

      it('of someone unknown names nothing', async (t) => {
        const { dataKeys } = await options.open(t);
        assert.deepEqual(await dataKeys.close(TENANT, 'nobody'), []);
      });
    });

    describe('an erasure', () => {
      it('refuses the key at once in the process that was told, although it was held', async (t) => {
        const { dataKeys } = await options.open(t);
        const key = await dataKeys.active(TENANT, 'alice');
        await found(dataKeys, key.keyId);
        assert.equal(await dataKeys.erase(erasure(0, 7, [key.keyId])), 'done');
        assert.deepEqual(await find(dataKeys, key.keyId), { erasedAt: at(7) });
        assert.notEqual((await dataKeys.active(TENANT, 'alice')).keyId, key.keyId);
      });

      it('refuses the key in any other process once it may be held no more', async (t) => {
        const { dataKeys, elsewhere, clock } = await options.open(t);
        const key = await elsewhere.active(TENANT, 'alice');
        await dataKeys.erase(erasure(0, 7, [key.keyId]));
        await clock.advance(5_001);
        assert.deepEqual(await find(elsewhere, key.keyId), { erasedAt: at(7) });
        assert.notEqual((await elsewhere.active(TENANT, 'alice')).keyId, key.keyId);
      });

      it('that another process carried out is refused here as soon as the follower stands past it', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const key = await dataKeys.active(TENANT, 'alice');
        await found(dataKeys, key.keyId);
        await dataKeys.erase(erasure(0, 3, []));
        assert.equal(await elsewhere.erase(erasure(0, 7, [key.keyId])), 'done');
        // Resumes where the store stands, and so never meets the erasure itself.
        assert.equal(await dataKeys.erase(erasure(7, 7, [])), 'done');
        assert.deepEqual(await find(dataKeys, key.keyId), { erasedAt: at(7) });
      });

      it('remembers the highest position that names a key, in whatever order it is told', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const { keyId } = await dataKeys.active(TENANT, 'alice');
        await dataKeys.erase({
          after: at(0),
          erasures: [
            { keyIds: [keyId], position: at(9) },
            { keyIds: [keyId], position: at(4) },
          ],
          bookmark: bookmark(9),
        });
        await elsewhere.erase(erasure(0, 4, [keyId]));
        assert.deepEqual(await find(dataKeys, keyId), { erasedAt: at(9) });
        assert.deepEqual(await find(elsewhere, keyId), { erasedAt: at(9) });
      });

      it('of a key that the store never held is remembered too', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        await dataKeys.erase(erasure(0, 3, ['dk_unknown']));
        assert.deepEqual(await find(elsewhere, 'dk_unknown'), { erasedAt: at(3) });
      });

      it('moves the bookmark with it, and never back', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        assert.equal(await dataKeys.bookmark(), null);
        await dataKeys.erase(erasure(0, 7, []));
        assert.equal(await elsewhere.erase(erasure(0, 5, [])), 'done');
        assert.deepEqual(await dataKeys.bookmark(), bookmark(7));
      });

      it('read after a position that the store has not reached is refused whole', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const key = await elsewhere.active(TENANT, 'alice');
        await dataKeys.erase(erasure(0, 3, []));
        assert.equal(await dataKeys.erase(erasure(5, 7, [key.keyId])), 'behind');
        assert.deepEqual(await dataKeys.bookmark(), bookmark(3));
        assert.equal(bytesOf(await found(elsewhere, key.keyId)), bytesOf(key));
      });

      it('of another epoch is refused whole, until the store starts again in it', async (t) => {
        const { dataKeys, elsewhere, restart } = await options.open(t);
        const { keyId } = await dataKeys.active(TENANT, 'alice');
        await dataKeys.erase(erasure(0, 3, [keyId]));
        const next = 'epoch-2' as Epoch;
        const batch = { after: at(0), erasures: [], bookmark: bookmark(1, next) };
        assert.equal(await dataKeys.erase(batch), 'behind');
        await restart(next);
        // The history that has it erased is gone; the key is gone with it, and nothing says why.
        assert.equal(await find(elsewhere, keyId), 'missing');
        assert.equal(await elsewhere.erase(batch), 'done');
        assert.deepEqual(await elsewhere.bookmark(), bookmark(1, next));
      });
    });

    describe('a store restored to an earlier copy', () => {
      it('is not believed by a process that knows better, until it has forgotten again', async (t) => {
        const { dataKeys, clock, copy } = await options.open(t);
        const alice = await dataKeys.active(TENANT, 'alice');
        const bob = await dataKeys.active(TENANT, 'bob');
        await dataKeys.erase(erasure(0, 3, []));
        const restore = await copy();
        await dataKeys.erase(erasure(3, 7, [alice.keyId]));
        await restore();
        await clock.advance(5_001);
        await assert.rejects(find(dataKeys, alice.keyId), KeyStoreBehind);
        await assert.rejects(find(dataKeys, bob.keyId), KeyStoreBehind);
        await assert.rejects(dataKeys.active(TENANT, 'alice'), KeyStoreBehind);
        assert.equal(await dataKeys.erase(erasure(7, 8, [])), 'behind');
        assert.equal(await dataKeys.erase(erasure(3, 8, [alice.keyId], 7)), 'done');
        assert.deepEqual(await find(dataKeys, alice.keyId), { erasedAt: at(7) });
        assert.equal(bytesOf(await found(dataKeys, bob.keyId)), bytesOf(bob));
      });

      it('does not bring a closed key back into use where its erasure is known', async (t) => {
        const { dataKeys, clock, copy } = await options.open(t);
        const alice = await dataKeys.active(TENANT, 'alice');
        const restore = await copy();
        await dataKeys.close(TENANT, 'alice');
        await restore();
        await clock.advance(5_001);
        // The erasure is in the log; the store that was just restored is told of it by its follower.
        assert.equal(await dataKeys.erase(erasure(0, 7, [alice.keyId])), 'done');
        assert.notEqual((await dataKeys.active(TENANT, 'alice')).keyId, alice.keyId);
      });
    });

    describe('looking up', () => {
      it('answers each key asked for, once, found or not', async (t) => {
        const { dataKeys, elsewhere } = await options.open(t);
        const alice = await elsewhere.active(TENANT, 'alice');
        const answer = await dataKeys.lookup([alice.keyId, 'dk_no', alice.keyId]);
        assert.deepEqual([...answer.keys()], [alice.keyId, 'dk_no']);
        assert.equal(answer.get('dk_no'), 'missing');
      });

      it('does not remember that a key was missing', async (t) => {
        const { dataKeys, elsewhere, copy } = await options.open(t);
        const restoreEmpty = await copy();
        const { keyId } = await elsewhere.active(TENANT, 'alice');
        const restoreFull = await copy();
        await restoreEmpty();
        assert.equal(await find(dataKeys, keyId), 'missing');
        await restoreFull();
        await found(dataKeys, keyId);
      });
    });
  });
}
