import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PlinthError } from '../../schemas/errors.ts';
import { started } from '../../test/support/started-verifier.ts';

describe('a revocation', () => {
  const faults: readonly [string, (w: Awaited<ReturnType<typeof started>>) => void][] = [
    ['with no hints at all', () => {}],
    [
      'with the poll of changes stalled',
      (w) => {
        w.state.pollsAway = true;
      },
    ],
    [
      'with the poll stalled and the rows away',
      (w) => {
        w.state.pollsAway = w.state.rowsAway = true;
      },
    ],
    [
      'with the projector dead',
      (w) => {
        w.state.projected = w.count();
      },
    ],
    ['with the cache flushed', (w) => w.verifier.facts.drop()],
  ];
  for (const [name, fault] of faults) {
    it(`is seen within 5 s ${name}`, async (t) => {
      const w = await started(t);
      const { text, keyId } = await w.issue();
      assert.equal((await w.verify(text)).code, 'VALID');
      fault(w);
      // Asked all the while, so that every cache that could serve an old yes is warm.
      for (let i = 0; i < 12; i++) {
        await w.clock.advance(500);
        assert.equal((await w.verify(text)).code, 'VALID');
      }
      await w.revoke(keyId);
      const revokedMs = w.clock.now();
      let seenMs: number | null = null;
      for (let i = 0; i < 60 && seenMs === null; i++) {
        if ((await w.verify(text)).code === 'REVOKED') seenMs = w.clock.now() - revokedMs;
        await w.clock.advance(100);
      }
      assert.ok(seenMs !== null && seenMs <= 5_000, `seen after ${seenMs} ms`);
      for (let i = 0; i < 20; i++) {
        assert.equal((await w.verify(text)).code, 'REVOKED', 'no yes after it was seen');
        await w.clock.advance(400);
      }
    });
  }

  it('cannot be missed: 503 when neither read model nor log can be asked for 5 s', async (t) => {
    const w = await started(t);
    const { text } = await w.issue();
    assert.equal((await w.verify(text)).code, 'VALID');
    w.state.pollsAway = w.state.rowsAway = w.state.logAway = true;
    await w.clock.advance(4_000);
    assert.equal((await w.verify(text)).code, 'VALID', 'the last head and poll are 4 s old');
    await w.clock.advance(2_000);
    await assert.rejects(w.verify(text), (error: unknown) => {
      assert.ok(error instanceof PlinthError);
      assert.equal(error.rejection.code, 'verify_stale');
      assert.equal(error.rejection.extra?.retryAfterSeconds, 1);
      return true;
    });
    w.state.pollsAway = w.state.rowsAway = w.state.logAway = false;
    await w.clock.advance(1_000);
    assert.equal((await w.verify(text)).code, 'VALID');
  });
});
