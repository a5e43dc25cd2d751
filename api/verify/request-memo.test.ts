import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { RequestMemo } from './request-memo.ts';

const ok = (n: number) => n > 0;

describe('the memo of request ids', () => {
  it('spends once under an id within 60 s, and again after', async () => {
    const clock = fakeClock();
    const memo = new RequestMemo<number>(clock);
    let spent = 0;
    assert.equal(
      memo.once('r', 'f', () => ++spent, ok),
      1,
    );
    await clock.advance(59_999);
    assert.equal(
      memo.once('r', 'f', () => ++spent, ok),
      1,
    );
    await clock.advance(1);
    assert.equal(
      memo.once('r', 'f', () => ++spent, ok),
      2,
    );
  });

  it('lets a duplicate that is still under way share the spending', async () => {
    const memo = new RequestMemo<number>(fakeClock());
    let spent = 0;
    const slow = async () => ++spent;
    assert.deepEqual(
      await Promise.all([memo.once('r', 'f', slow, ok), memo.once('r', 'f', slow, ok)]),
      [1, 1],
    );
  });

  it('tries anew when nothing was spent or spending failed', async () => {
    const memo = new RequestMemo<number>(fakeClock());
    assert.equal(
      memo.once('r', 'f', () => 0, ok),
      0,
    );
    await assert.rejects(async () => memo.once('r', 'f', () => Promise.reject(new Error('away')), ok));
    assert.equal(
      memo.once('r', 'f', () => 5, ok),
      5,
    );
  });

  it('refuses the id for another key, limits or cost, even when nothing was spent', () => {
    const memo = new RequestMemo<number>(fakeClock());
    memo.once('r', 'f', () => 0, ok);
    assert.equal(
      memo.once('r', 'g', () => 1, ok),
      'reused',
    );
  });

  it('forgets the oldest when it is full, and counts them', () => {
    const memo = new RequestMemo<number>(fakeClock(), 2);
    for (const id of ['a', 'b', 'c']) memo.once(id, 'f', () => 1, ok);
    assert.equal(memo.size, 2);
    assert.equal(memo.evicted, 1);
    assert.equal(
      memo.once('c', 'g', () => 1, ok),
      'reused',
    );
    assert.equal(
      memo.once('a', 'g', () => 1, ok),
      1,
    );
  });
});
