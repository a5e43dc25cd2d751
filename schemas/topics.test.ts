import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamId } from './envelope.ts';
import { murmur2, partitionOf, topicDomainOf, topicDomains } from './topics.ts';

test('the hash is the one that Kafka computes', () => {
  // The vectors of Kafka's own UtilsTest.
  const vectors: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [text, hash] of vectors) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test('every stream has one partition, and all partitions are used', () => {
  const used = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const stream = `key-key_${i}` as StreamId;
    const partition = partitionOf(stream, 12);
    assert.ok(partition >= 0 && partition < 12);
    assert.equal(partitionOf(stream, 12), partition);
    used.add(partition);
  }
  assert.equal(used.size, 12);
});

test('a category of streams belongs to one domain at most', () => {
  const categories = Object.values(topicDomains).flat();
  assert.equal(new Set(categories).size, categories.length);
  assert.equal(topicDomainOf('key-key_1' as StreamId), 'keys');
  assert.equal(topicDomainOf('thing-1' as StreamId), null);
});
