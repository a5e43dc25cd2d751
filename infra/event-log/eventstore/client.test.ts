import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonOf } from './client.ts';

test('a call that failed is told in words of ours, without what gRPC adds for its own developers', () => {
  const late = 'Deadline exceeded after 10.000s,metadata filters: 0.002s,remote_addr=10.0.0.7:2113';
  assert.equal(reasonOf(4, late, 10_000), 'EventStoreDB did not answer within 10000 ms');
  assert.equal(reasonOf(4, late, null), 'EventStoreDB did not answer within its time');
  const none = 'No connection established. Last error: connect ECONNREFUSED 10.0.0.7:2113. Resolution note: ';
  assert.equal(
    reasonOf(14, none, 10_000),
    'status 14: No connection established. Last error: connect ECONNREFUSED 10.0.0.7:2113',
  );
  assert.equal(reasonOf(null, '', 10_000), 'no reason given');
});
