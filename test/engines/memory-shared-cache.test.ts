import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLAIM_MS } from '../../api/verify/shared-cache.ts';
import { sharedCacheContract } from '../contracts/shared-cache.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { memorySharedCache } from './memory-shared-cache.ts';

sharedCacheContract({
  name: 'the shared cache in memory',
  open: async () => {
    const cache = memorySharedCache({ clock: fakeClock() });
    return { cache, other: cache };
  },
});

test('a claim lapses', async () => {
  const clock = fakeClock();
  const cache = memorySharedCache({ clock });
  assert.deepEqual([await cache.claim(['a']), await cache.claim(['a'])], [[true], [false]]);
  await clock.advance(CLAIM_MS);
  assert.deepEqual(await cache.claim(['a']), [true]);
});
