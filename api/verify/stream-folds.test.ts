import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Codec, NewerSchemaVersion, UndecodableEvent } from '../../commands/codec.ts';
import type { Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import { fakeClock, settled } from '../../test/support/fake-clock.ts';
import { FoldUnavailable, MAX_FOLDS_IN_FLIGHT, StreamFolds } from './stream-folds.ts';

const counting = { initial: 0, evolve: (n: number) => n + 1 };
const AT = (n: number) => String(n).padStart(20, '0') as Position;
const stream = (n: number | string) => `key-${n}` as StreamId;

function world(decodePublic: Codec['decodePublic'] = ((event: Recorded) => event) as never) {
  const clock = fakeClock();
  const state = { head: AT(3), reads: 0, hangs: false, fails: false, replaced: false };
  const event = { id: 'i', type: 't', stream: stream(1), version: 1, position: AT(5) } as unknown as Recorded;
  const folds = new StreamFolds({
    clock,
    codec: { decodePublic } as Codec,
    knownHead: () => state.head,
    async confirm() {
      if (state.replaced) throw new Error('the log was replaced');
    },
    log: {
      async readStream() {
        state.reads++;
        if (state.fails) throw new Error('away');
        if (state.hangs) await new Promise(() => {});
        return [event];
      },
    },
  });
  return { folds, state, clock, event };
}

describe('folds of the log', () => {
  it('are shared, kept for 5 s from their start, and reach what was known then', async () => {
    const { folds, state, clock } = world();
    const both = await Promise.all([
      folds.fold(counting, stream(1), AT(0)),
      folds.fold(counting, stream(1), AT(0)),
    ]);
    assert.equal(state.reads, 1);
    assert.deepEqual(both[0], { state: 1, reached: AT(5), startedMs: clock.now() });
    await clock.advance(5_000);
    await folds.fold(counting, stream(1), AT(0));
    assert.equal(state.reads, 1);
    await clock.advance(1);
    await folds.fold(counting, stream(1), AT(0));
    assert.equal(state.reads, 2);
  });

  it('are made anew for who must see a later position', async () => {
    const { folds, state } = world();
    await folds.fold(counting, stream(1), AT(0));
    state.head = AT(9);
    assert.equal((await folds.fold(counting, stream(1), AT(9))).reached, AT(9));
    assert.equal(state.reads, 2);
  });

  it('are not to be had of a log that was replaced, and nothing of it is kept', async () => {
    const { folds, state } = world();
    state.replaced = true;
    await assert.rejects(folds.fold(counting, stream(1), AT(0)), FoldUnavailable);
    state.replaced = false;
    await folds.fold(counting, stream(1), AT(0));
    assert.equal(state.reads, 2);
  });

  it('say that nothing is known when an event cannot be read', async () => {
    const broken = world((event) => {
      throw new UndecodableEvent(event, 'not JSON');
    });
    assert.equal((await broken.folds.fold(counting, stream(1), AT(0))).state, null);
  });

  it('are not to be had of a stream that a newer release wrote', async () => {
    const newer = world((event) => {
      throw new NewerSchemaVersion(event, 'version 9');
    });
    await assert.rejects(newer.folds.fold(counting, stream(1), AT(0)), FoldUnavailable);
  });

  it('are not kept when they failed', async () => {
    const { folds, state } = world();
    state.fails = true;
    await assert.rejects(folds.fold(counting, stream(1), AT(0)), FoldUnavailable);
    state.fails = false;
    assert.equal((await folds.fold(counting, stream(1), AT(0))).state, 1);
  });

  it('are refused beyond the number in flight, counted until the log has answered', async () => {
    const { folds, state, clock } = world();
    state.hangs = true;
    const hanging = Array.from({ length: MAX_FOLDS_IN_FLIGHT }, (_, n) =>
      assert.rejects(folds.fold(counting, stream(n), AT(0)), /could not be read/),
    );
    await assert.rejects(folds.fold(counting, stream('more'), AT(0)), /streams are being read/);
    await clock.advance(2_001);
    await Promise.all(hanging);
    await settled();
    await assert.rejects(folds.fold(counting, stream('more'), AT(0)), /streams are being read/);
  });
});
