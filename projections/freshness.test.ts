import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Head } from '../commands/event-log.ts';
import type { Epoch, EventId, Position, StreamId } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import { fakeClock } from '../test/support/fake-clock.ts';
import { ChangeWindow } from './change-window.ts';
import type { Change, ChangesPoll } from './changes.ts';
import { Freshness } from './freshness.ts';
import type { Stamp } from './projection.ts';

const EPOCH = '00000000-0000-4000-8000-000000000001' as Epoch;
const OTHER = '00000000-0000-4000-8000-000000000002' as Epoch;
const KEY = 'key-a' as StreamId;

function at(n: number): Position {
  return (n === 0 ? '' : String(n).padStart(20, '0')) as Position;
}
function idAt(n: number, history = 'h'): EventId {
  return `${history}${n}` as EventId;
}
function stampAt(n: number, more: Partial<Stamp> = {}): Stamp {
  return { epoch: EPOCH, revision: 1, position: at(n), eventId: n === 0 ? null : idAt(n), ...more };
}

/** A log and a projection whose every answer a test decides. */
function world(start = 10) {
  const clock = fakeClock();
  const state = {
    head: start,
    projected: start,
    epoch: EPOCH,
    projectedEpoch: EPOCH,
    revision: 1,
    changes: [] as Change[],
    prunedThrough: 0,
    halted: null as string | null,
    history: (_n: number) => 'h',
    headAway: false,
    epochLost: false,
    slowMs: 0,
    pollAway: false as boolean | 'hangs',
    polls: 0,
  };
  let hint = () => {};
  const freshness = new Freshness({
    clock,
    log: {
      async head(): Promise<Head> {
        if (state.headAway) throw new Error('no route to the log');
        if (state.epochLost) throw new PlinthError('log_epoch_changed', 'it is gone');
        const head = { epoch: state.epoch, position: at(state.head) };
        if (state.slowMs > 0) await clock.sleep(state.slowMs);
        return head;
      },
      async eventIdAt(position) {
        if (state.headAway) throw new Error('no route to the log');
        const n = Number(position);
        return n > state.head ? null : idAt(n, state.history(n));
      },
    },
    changes: {
      poll(after): Promise<ChangesPoll> {
        state.polls++;
        if (state.pollAway === 'hangs') return new Promise(() => {});
        if (state.pollAway) return Promise.reject(new Error('no route to the read model'));
        return Promise.resolve({
          stamp: stampAt(state.projected, { epoch: state.projectedEpoch, revision: state.revision }),
          changes: state.changes.filter((c) => c.position > after && c.position <= at(state.projected)),
          complete: true,
          prunedThrough: at(state.prunedThrough),
          halted: state.halted,
        });
      },
      async listen(tell) {
        hint = tell;
      },
    },
  });
  return { clock, state, freshness, hint: () => hint() };
}

function change(n: number, stream = KEY): Change {
  return { position: at(n), stream };
}

describe('what was read from the log', () => {
  const confirmed = ({ freshness }: ReturnType<typeof world>) =>
    freshness.confirm(null).then(
      () => true,
      () => false,
    );

  it('is of no worth before a head is known', async () => {
    assert.equal(await confirmed(world()), false);
  });

  it('counts as long as the log is the one that was seen, and each look starts after it was asked for', async () => {
    const w = world();
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
      const w = world();
      await w.freshness.refresh();
      Object.assign(w.state, change);
      assert.equal(await confirmed(w), false);
    }
  });

  it('counts for nothing where the log has lost its epoch: all halts until it has it back', async () => {
    const w = world();
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

describe('the freshness rule', () => {
  it('trusts nothing before a head and a poll were taken', () => {
    const { freshness } = world();
    assert.equal(freshness.usable(stampAt(10), [KEY]), false);
  });

  const rows: readonly {
    name: string;
    usable: boolean;
    stamp?: Stamp;
    change?: Partial<ReturnType<typeof world>['state']>;
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
      const { freshness, state, clock } = world();
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
    const { freshness, state, clock } = world();
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
    const { freshness, state, clock } = world();
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
    const { freshness, state, clock, hint } = world();
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
    const { freshness, state } = world();
    await Promise.all(Array.from({ length: 100 }, () => freshness.refresh()));
    assert.equal(state.polls, 1);
    assert.ok(freshness.usable(stampAt(10), [KEY]));
  });

  it('counts the 5 s from when a head was asked for, not from its answer', async () => {
    const { freshness, state, clock } = world();
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
    const { freshness, state, clock } = world();
    state.pollAway = true;
    await freshness.refresh();
    await freshness.refresh();
    assert.equal(state.polls, 1);
    await clock.advance(600);
    await freshness.refresh();
    assert.equal(state.polls, 2);
  });

  it('drops the answer of a poll that was given up on', async () => {
    const { freshness, state, clock } = world();
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
        const { freshness, state, clock } = world();
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

describe('the window of changes', () => {
  function poll(n: number, changes: Change[], more: Partial<ChangesPoll> = {}): ChangesPoll {
    return { stamp: stampAt(n), changes, complete: true, prunedThrough: at(0), halted: null, ...more };
  }

  it('raises its floor by what it must forget, and no further', () => {
    const window = new ChangeWindow(() => {}, 2);
    window.take(poll(1, []));
    window.take(poll(4, [change(2), change(3, 'key-b' as StreamId), change(4, 'key-c' as StreamId)]));
    assert.equal(window.streams, 2);
    assert.equal(window.clear(at(1), ['key-z' as StreamId]), false, 'below the forgotten change');
    assert.equal(window.clear(at(2), [KEY]), true);
    assert.equal(window.clear(at(2), ['key-b' as StreamId]), false);
  });

  it('asks again for the position that a page may have cut in two', () => {
    const window = new ChangeWindow();
    window.take(poll(1, []));
    assert.equal(window.take(poll(9, [change(2), change(3)], { complete: false })), false);
    assert.equal(window.cursor, at(2));
    assert.equal(window.take(poll(9, [change(3), change(3, 'key-b' as StreamId)])), true);
    assert.equal(window.clear(at(2), ['key-b' as StreamId]), false);
  });

  it('starts anew when one position fills a page', () => {
    const window = new ChangeWindow();
    window.take(poll(1, []));
    assert.equal(
      window.take(poll(9, [change(2), change(2, 'key-b' as StreamId)], { complete: false })),
      true,
    );
    assert.equal(window.clear(at(8), [KEY]), false);
    assert.equal(window.clear(at(9), [KEY]), true);
  });

  it('starts anew when the projection went back', () => {
    const window = new ChangeWindow();
    window.take(poll(5, []));
    window.take(poll(3, []));
    assert.equal(window.cursor, at(3));
    assert.equal(window.clear(at(2), [KEY]), false);
  });
});
