import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleave, median, quantile, runBenchmark } from './harness.ts';

test('subject and yardstick take turns at going first', async () => {
  const order: string[] = [];
  const { ratio } = await interleave({
    rounds: 2,
    subject: async () => order.push('s') && 3,
    yardstick: async () => order.push('y') && 2,
  });
  assert.deepEqual(order.slice(2), ['s', 'y', 'y', 's']);
  assert.equal(ratio, 1.5);
});

test('a quantile is a value that was measured', () => {
  const values = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('a broken condition fails a benchmark whose ratio passes', async () => {
  const base = { name: 'x', unit: 'x', bar: 1, passes: 'at least', says: 'x' } as const;
  const result = await runBenchmark({
    ...base,
    measure: async () => ({ value: 2, yardstick: 1, ratio: 2, conditions: [{ what: 'no', holds: false }] }),
  });
  assert.equal(result.pass, false);
  const most = await runBenchmark({
    ...base,
    passes: 'at most',
    measure: async () => ({ value: 2, yardstick: 1, ratio: 2 }),
  });
  assert.equal(most.pass, false);
});

test('where the value is held against the bar, the ratio decides nothing', async () => {
  const result = await runBenchmark({
    name: 'x',
    unit: 'ms',
    bar: 50,
    passes: 'at most',
    held: 'value',
    says: 'x',
    measure: async () => ({ value: 51, yardstick: 50, ratio: 1.02 }),
  });
  assert.equal(result.pass, false);
});
