import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StreamId } from '../schemas/envelope.ts';
import { at, change, KEY, stampAt } from '../test/support/freshness-world.ts';
import { ChangeWindow } from './change-window.ts';
import type { Change, ChangesPoll } from './changes.ts';

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
