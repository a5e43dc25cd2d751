import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  assert.deepEqual([await cache.claim(['a'], 100), await cache.claim(['a'], 100)], [[true], [false]]);
  await clock.advance(100);
  assert.deepEqual(await cache.claim(['a'], 100), [true]);
});
