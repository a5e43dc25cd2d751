import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '../../test/support/fake-clock.ts';
import { STEADY_MS, tidings } from './tidings.ts';

function told(first = 'well') {
  const clock = fakeClock();
  const lines: string[] = [];
  const news = tidings(clock, first);
  return {
    clock,
    lines,
    news,
    now: (what: string) => news.now(what, () => lines.push(what)),
    lasting: (what: string, isSo?: () => boolean) => news.lasting(what, () => lines.push(what), isSo),
  };
}

test('a failure that comes again and again, with a moment between, is said once; another one is said too', async () => {
  const { clock, lines, now, lasting } = told();
  for (let times = 0; times < 20; times++) {
    now('Kafka is away');
    lasting('well');
    await clock.advance(STEADY_MS - 1);
  }
  assert.deepEqual(lines, ['Kafka is away']);
  now('the log is away');
  assert.deepEqual(lines, ['Kafka is away', 'the log is away']);
});

test('that it is well again is said once, when it has lasted, and the next failure is news', async () => {
  const { clock, lines, now, lasting } = told();
  lasting('well');
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, [], 'it was well before');
  now('away');
  for (let times = 0; times < 5; times++) {
    lasting('well');
    await clock.advance(STEADY_MS / 2);
  }
  assert.deepEqual(lines, ['away', 'well']);
  now('away');
  assert.deepEqual(lines, ['away', 'well', 'away']);
});

test('what is not seen to be so waits until it is, and is forgotten when it is stopped', async () => {
  const { clock, lines, news, now, lasting } = told();
  let fed = false;
  now('away');
  lasting('well', () => fed);
  await clock.advance(STEADY_MS);
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, ['away']);
  fed = true;
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, ['away', 'well']);
  now('away');
  lasting('well');
  news.stop();
  await clock.advance(STEADY_MS);
  assert.deepEqual(lines, ['away', 'well', 'away']);
});
