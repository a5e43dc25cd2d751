import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StreamId } from '../schemas/envelope.ts';
import { at, change, freshnessWorld, KEY, OTHER, stampAt } from '../test/support/freshness-world.ts';
import type { Stamp } from './projection.ts';

describe('the freshness rule', () => {
  it('trusts nothing before a head and a poll were taken', () => {
    const { freshness } = freshnessWorld();
    assert.equal(freshness.usable(stampAt(10), [KEY]), false);
  });

  const rows: readonly {
    name: string;
    usable: boolean;
    stamp?: Stamp;
    change?: Partial<ReturnType<typeof freshnessWorld>['state']>;
    waitMs?: number;
  }[] = [
    { name: 'an entry at the head', usable: true },
    {
      name: 'an old entry that nothing touched',
      usable: true,
      stamp: stampAt(10),
      change: { head: 90, projected: 90 },
    },
    { name: 'an entry of another revision', usable: false, stamp: stampAt(10, { revision: 2 }) },
    { name: 'an entry of another epoch', usable: false, stamp: stampAt(10, { epoch: OTHER }) },
    { name: 'an entry below the floor of the window', usable: false, stamp: stampAt(9) },
    {
      name: 'an entry whose key changed since',
      usable: false,
      change: { head: 11, projected: 11, changes: [change(11)] },
    },
    {
      name: 'an entry made after the last change of its key',
      usable: true,
      stamp: stampAt(11),
      change: { head: 11, projected: 11, changes: [change(11)] },
    },
    {
      name: 'an entry while another key changed',
      usable: true,
      change: { head: 11, projected: 11, changes: [change(11, 'key-b' as StreamId)] },
    },
    {
      name: 'an entry while the projection lags behind all heads of 5 s',
      usable: false,
      change: { head: 12 },
      waitMs: 5_500,
    },
    {
      name: 'an entry while the projection has reached one head of the last 5 s',
      usable: true,
      change: { head: 12 },
      waitMs: 4_000,
    },
    {
      name: 'an entry whose own stamp has reached the head although the poll has not',
      usable: true,
      stamp: stampAt(12),
      change: { head: 12 },
      waitMs: 5_500,
    },
    {
      name: 'an entry 4 s after the log went away',
      usable: true,
      change: { headAway: true },
      waitMs: 4_000,
    },
    {
      name: 'an entry 6 s after the log went away',
      usable: false,
      change: { headAway: true },
      waitMs: 6_000,
    },
    {
      name: 'an entry 6 s after polls began to fail',
      usable: false,
      change: { pollAway: true },
      waitMs: 6_000,
    },
    {
      name: 'an entry 6 s after polls began to hang',
      usable: false,
      change: { pollAway: 'hangs' },
      waitMs: 6_000,
    },
    {
      name: 'an entry after changes were pruned past the cursor',
      usable: false,
      change: { head: 20, projected: 20, prunedThrough: 15 },
    },
    {
      name: 'an entry when the projection has halted',
      usable: false,
      change: { halted: 'the log was replaced' },
    },
    { name: 'an entry when the log has another epoch', usable: false, change: { epoch: OTHER } },
    {
      name: 'an entry when the log lost the event it was stamped at',
      usable: false,
      change: { history: () => 'other' },
    },
    { name: 'an entry when the log ends before it', usable: false, change: { head: 9 } },
  ];
  for (const row of rows) {
    it(`${row.usable ? 'uses' : 'does not use'} ${row.name}`, async () => {
      const { freshness, state, clock } = freshnessWorld();
      freshness.start();
      await clock.advance(1_000);
      assert.ok(freshness.usable(stampAt(10), [KEY]), 'usable at first');
      Object.assign(state, row.change);
      await clock.advance(row.waitMs ?? 600);
      assert.equal(freshness.usable(row.stamp ?? stampAt(10), [KEY]), row.usable);
      state.pollAway = false;
      const closed = freshness.close();
      await clock.advance(2_000);
      await closed;
      assert.equal(clock.sleepers(), 0, 'nothing sleeps on');
    });
  }

  it('sees within one poll that a tail was lost and its positions reused past what it had learned', async () => {
    const { freshness, state, clock } = freshnessWorld();
    let dropped = 0;
    freshness.onDrop(() => dropped++);
    freshness.start();
    await clock.advance(1_000);
    freshness.saw(stampAt(14));
    // The log lost 13 and 14, and went on to 20 with others; the read model follows the new history.
    state.history = (n) => (n > 12 ? 'other' : 'h');
    state.head = state.projected = 12;
    state.headAway = state.pollAway = true;
    await clock.advance(300);
    state.headAway = state.pollAway = false;
    state.head = state.projected = 12;
    await clock.advance(600);
    assert.equal(dropped, 1);
    assert.match(freshness.halted ?? '', /replaced/);
    assert.equal(freshness.usable(stampAt(14), [KEY]), false);
    await freshness.close();
  });

  it('drops everything and goes on when log and read model are of a new epoch', async () => {
    const { freshness, state, clock } = freshnessWorld();
    let dropped = 0;
    freshness.onDrop(() => dropped++);
    freshness.start();
    await clock.advance(1_000);
    state.epoch = state.projectedEpoch = OTHER;
    await clock.advance(1_000);
    assert.ok(dropped >= 1);
    assert.equal(freshness.halted, null);
    assert.equal(freshness.usable(stampAt(10), [KEY]), false);
    assert.equal(freshness.usable(stampAt(10, { epoch: OTHER }), [KEY]), true);
    await freshness.close();
  });

  it('polls within 25 ms of a hint, and no faster however many come', async () => {
    const { freshness, state, clock, hint } = freshnessWorld();
    freshness.start();
    await clock.advance(1_100);
    const before = state.polls;
    for (let i = 0; i < 50; i++) {
      hint();
      await clock.advance(2);
    }
    assert.ok(state.polls - before >= 3, `${state.polls - before} polls in 100 ms of hints`);
    assert.ok(state.polls - before <= 6, `${state.polls - before} polls in 100 ms of hints`);
    await freshness.close();
  });

  it('shares one refresh among all who ask', async () => {
    const { freshness, state } = freshnessWorld();
    await Promise.all(Array.from({ length: 100 }, () => freshness.refresh()));
    assert.equal(state.polls, 1);
    assert.ok(freshness.usable(stampAt(10), [KEY]));
  });

  it('counts the 5 s from when a head was asked for, not from its answer', async () => {
    const { freshness, state, clock } = freshnessWorld();
    state.slowMs = 800;
    const refreshed = freshness.refresh();
    await clock.advance(800);
    await refreshed;
    state.slowMs = 0;
    await clock.advance(4_200);
    assert.ok(freshness.usable(stampAt(10), [KEY]));
    await clock.advance(1);
    assert.equal(freshness.usable(stampAt(10), [KEY]), false);
  });

  it('does not wait for a refresh that has just failed', async () => {
    const { freshness, state, clock } = freshnessWorld();
    state.pollAway = true;
    await freshness.refresh();
    await freshness.refresh();
    assert.equal(state.polls, 1);
    await clock.advance(600);
    await freshness.refresh();
    assert.equal(state.polls, 2);
  });

  it('drops the answer of a poll that was given up on', async () => {
    const { freshness, state, clock } = freshnessWorld();
    state.pollAway = 'hangs';
    const refreshed = freshness.refresh();
    await clock.advance(1_500);
    await refreshed;
    state.pollAway = false;
    await freshness.refresh();
    assert.ok(freshness.usable(stampAt(10), [KEY]));
  });

  it('never uses an entry that lacks a change older than 5 s, whatever fails meanwhile', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), key: fc.boolean() }),
      fc.record({ do: fc.constant('project' as const) }),
      fc.record({ do: fc.constant('load' as const) }),
      fc.record({ do: fc.constant('log away' as const) }),
      fc.record({ do: fc.constant('polls away' as const) }),
      fc.record({ do: fc.constant('polls hang' as const) }),
      fc.record({ do: fc.constant('back' as const) }),
      fc.record({ do: fc.constant('prune' as const) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
    );
    let used = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { freshness, state, clock } = freshnessWorld();
        /** Changes of the key as the log has them, by time. */
        const truth: { n: number; atMs: number }[] = [];
        let entry = stampAt(10);
        freshness.start();
        await clock.advance(300);
        for (const s of steps) {
          if (s.do === 'append') {
            state.head++;
            if (s.key) {
              truth.push({ n: state.head, atMs: clock.now() });
              state.changes.push(change(state.head));
            }
          } else if (s.do === 'project') state.projected = state.head;
          else if (s.do === 'load') {
            entry = stampAt(state.projected);
            freshness.saw(entry);
          } else if (s.do === 'log away') state.headAway = true;
          else if (s.do === 'polls away') state.pollAway = true;
          else if (s.do === 'polls hang') state.pollAway = 'hangs';
          else if (s.do === 'back') state.headAway = state.pollAway = false;
          else if (s.do === 'prune') {
            state.prunedThrough = state.projected;
            state.changes = state.changes.filter((c) => c.position > at(state.projected));
          } else if (s.do === 'wait') await clock.advance(s.ms);
          if (freshness.usable(entry, [KEY])) {
            used++;
            const missed = truth.find((t) => at(t.n) > entry.position && clock.now() - t.atMs > 5_000);
            assert.equal(missed, undefined, 'an entry was used that lacks an old change');
          }
        }
        const closed = freshness.close();
        await clock.advance(2_000);
        await closed;
      }),
      { numRuns: 200 },
    );
    assert.ok(used > 500, 'the property saw entries being used');
  });
});
