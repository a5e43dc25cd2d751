import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '../test/support/fake-clock.ts';
import { DROP_AFTER_MS, dropAbandonedRevisions, SHADOW_LOOKS } from './drop-abandoned.ts';
import type { Revision, RevisionState } from './store.ts';

type Told = [revision: number, state: RevisionState, codeRevision: number, holder: string | null];

async function sweeping(told: Told[]) {
  const clock = fakeClock();
  const stop = new AbortController();
  const dropped: number[] = [];
  const revisions = told.map(([revision, state, codeRevision, holder]) => {
    return { projection: 'things', revision, state, codeRevision, holder } as Revision;
  });
  const state = { fails: 0 };
  const store = {
    async revisions() {
      if (state.fails-- > 0) throw new Error('away');
      return revisions.filter(({ revision }) => !dropped.includes(revision));
    },
    async drop(_name: string, revision: number) {
      dropped.push(revision);
      return true;
    },
  };
  const failures: unknown[] = [];
  const done = dropAbandonedRevisions(
    { store, clock },
    { signal: stop.signal, failed: (error) => failures.push(error) },
  );
  await clock.advance(1);
  const end = async () => {
    stop.abort();
    await done;
  };
  return { clock, dropped, failures, state, revisions, end };
}

test('what was current before a swap is dropped a minute later, with the rests of rebuilds and comparisons', async () => {
  const s = await sweeping([
    [1, 'old', 1, null],
    [2, 'current', 1, 'runner'],
    [3, 'building', 1, null],
    [4, 'shadow', 1, null],
  ]);
  assert.deepEqual(s.dropped, [], 'a query may read it still');
  await s.clock.advance(DROP_AFTER_MS);
  assert.deepEqual(s.dropped, [1, 3]);
  await s.clock.advance((SHADOW_LOOKS - 1) * DROP_AFTER_MS);
  assert.deepEqual(s.dropped, [1, 3, 4], 'a comparison may take long');
  await s.end();
});

test('what is served, held by somebody, or built by newer code stays', async () => {
  const s = await sweeping([
    [1, 'current', 1, null],
    [2, 'building', 1, 'rebuild'],
    [3, 'shadow', 1, 'verify'],
    [4, 'building', 2, null],
  ]);
  await s.clock.advance(2 * SHADOW_LOOKS * DROP_AFTER_MS);
  assert.deepEqual(s.dropped, []);
  await s.end();
});

test('a look that fails is told, and tried again', async () => {
  const s = await sweeping([
    [1, 'old', 1, null],
    [2, 'current', 1, null],
  ]);
  s.state.fails = 1;
  await s.clock.advance(DROP_AFTER_MS);
  assert.deepEqual([s.dropped, s.failures.length], [[], 1]);
  await s.clock.advance(DROP_AFTER_MS);
  assert.deepEqual(s.dropped, [1]);
  await s.end();
});
