import assert from 'node:assert/strict';
import { test } from 'node:test';
import { feedGroup } from './feed.ts';
import type { Revision } from './store.ts';
import { NO_PROJECTOR, withWorkers } from './who-works.ts';

const followed = {
  ...{ projection: 'keys', revision: 2, state: 'current', holder: 'process 1 on a', feed: null },
  ...{ halted: null, problem: null },
} as unknown as Revision & { problem: string | null };
const fed = { ...followed, holder: null, feed: { generation: 3, partitions: 12 } };

async function told(
  one: typeof followed,
  members: Parameters<typeof withWorkers>[1] = () => assert.fail('nobody asks'),
) {
  const [first] = await withWorkers([one], members);
  return [first!.runBy, first!.problem];
}

test('one that follows the log is run by who holds its lease; where nobody does, a projector is missing', async () => {
  assert.deepEqual(await told(followed), [['process 1 on a'], null]);
  assert.deepEqual(await told({ ...followed, holder: null }), [[], NO_PROJECTOR]);
  for (const waits of [{ halted: 'the log was replaced' }, { state: 'building' } as const]) {
    assert.deepEqual(await told({ ...followed, ...waits, holder: null }), [[], null]);
  }
});

test('one that Kafka feeds is run by the members of its group, as far as Kafka tells', async () => {
  const asked: string[] = [];
  const members = async (group: string) => {
    asked.push(group);
    return ['process 1 on a', 'process 2 on b'];
  };
  assert.deepEqual(await told(fed, members), [['process 1 on a', 'process 2 on b'], null]);
  assert.deepEqual(asked, [feedGroup({ projection: 'keys', revision: 2, generation: fed.feed })]);
  const stands = { ...fed, problem: 'the relay stands' };
  assert.deepEqual(await told(stands, async () => []), [[], `${NO_PROJECTOR}; the relay stands`]);
  assert.deepEqual(await told(stands, () => Promise.reject(new Error('away'))), [null, 'the relay stands']);
  assert.deepEqual(await told(fed, null), [null, null]);
});
