/** The contract of the place where reactors stand. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ReactorCheckpoints } from '../../commands/reactor.ts';
import { type Bookmark, type Epoch, type EventId, type Position, START } from '../../schemas/envelope.ts';
import type { Cleanup } from '../support/postgres.ts';

const epoch = '11111111-1111-4111-8111-111111111111' as Epoch;
const other = '22222222-2222-4222-8222-222222222222' as Epoch;
const at = (n: number, of: Epoch = epoch): Bookmark => ({
  epoch: of,
  position: String(n).padStart(20, '0') as Position,
  eventId: `33333333-3333-5333-8333-${String(n).padStart(12, '0')}` as EventId,
});
const start: Bookmark = { epoch, position: START, eventId: null };

export function reactorCheckpointsContract(
  name: string,
  open: (t: Cleanup) => Promise<ReactorCheckpoints>,
): void {
  describe(`reactor checkpoints: ${name}`, () => {
    test('a reactor that never ran has none, and each has its own', async (t) => {
      const checkpoints = await open(t);
      assert.equal(await checkpoints.load('a'), null);
      assert.equal(await checkpoints.save('a', null, at(1)), true);
      assert.deepEqual(await checkpoints.load('a'), at(1));
      assert.equal(await checkpoints.load('b'), null);
    });

    test('moves only from where it stands: epoch, position and event all count', async (t) => {
      const checkpoints = await open(t);
      await checkpoints.save('a', null, at(5));
      const wrong = [null, start, at(4), at(5, other), { ...at(5), eventId: at(6).eventId }];
      for (const from of wrong) assert.equal(await checkpoints.save('a', from, at(9)), false);
      assert.deepEqual(await checkpoints.load('a'), at(5));
      assert.equal(await checkpoints.save('a', at(5), at(6)), true);
      assert.deepEqual(await checkpoints.load('a'), at(6));
    });

    test('goes back to the start, and on from there', async (t) => {
      const checkpoints = await open(t);
      await checkpoints.save('a', null, at(5));
      assert.equal(await checkpoints.save('a', at(5), { ...start, epoch: other }), true);
      assert.deepEqual(await checkpoints.load('a'), { ...start, epoch: other });
      assert.equal(await checkpoints.save('a', { ...start, epoch: other }, at(1, other)), true);
    });

    test('of two that move it at once one does', async (t) => {
      const checkpoints = await open(t);
      for (const from of [null, at(1)]) {
        const moved = await Promise.all([1, 2].map(() => checkpoints.save('a', from, at(from ? 2 : 1))));
        assert.deepEqual(moved.sort(), [false, true]);
      }
    });
  });
}
