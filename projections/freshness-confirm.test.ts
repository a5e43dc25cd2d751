import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessWorld, OTHER } from '../test/support/freshness-world.ts';

describe('what was read from the log', () => {
  const confirmed = ({ freshness }: ReturnType<typeof freshnessWorld>) =>
    freshness.confirm(null).then(
      () => true,
      () => false,
    );

  it('is of no worth before a head is known', async () => {
    assert.equal(await confirmed(freshnessWorld()), false);
  });

  it('counts as long as the log is the one that was seen, and each look starts after it was asked for', async () => {
    const w = freshnessWorld();
    await w.freshness.refresh();
    assert.equal(await confirmed(w), true);
    w.state.slowMs = 100;
    const first = confirmed(w);
    await w.clock.advance(50);
    w.state.epoch = OTHER;
    const second = confirmed(w);
    await w.clock.advance(200);
    assert.deepEqual([await first, await second], [true, false]);
    assert.match(w.freshness.halted!, /plinth log restored/);
  });

  it('counts for nothing where the log ends earlier, holds another event, or cannot be asked', async () => {
    for (const change of [{ head: 9 }, { history: () => 'other' }, { headAway: true }]) {
      const w = freshnessWorld();
      await w.freshness.refresh();
      Object.assign(w.state, change);
      assert.equal(await confirmed(w), false);
    }
  });

  it('counts for nothing where the log has lost its epoch: all halts until it has it back', async () => {
    const w = freshnessWorld();
    await w.freshness.refresh();
    w.state.epochLost = true;
    assert.equal(await confirmed(w), false);
    assert.equal(w.freshness.halted, 'it is gone');
    await w.freshness.refresh();
    assert.equal(w.freshness.halted, 'it is gone', 'a poll alone does not say that it is back');
    w.state.epochLost = false;
    await w.clock.advance(1_000);
    await w.freshness.refresh();
    assert.equal(w.freshness.halted, null);
    assert.equal(await confirmed(w), true);
  });
});
