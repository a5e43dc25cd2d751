import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../commands/clock.ts';
import { groupCommit } from './group-commit.ts';

const clock: Clock = { now: () => 0, sleep: async () => void (await turn()) };

function scripted() {
  const groups: { readonly group: readonly string[]; end(error?: Error): void }[] = [];
  const add = groupCommit<string>({
    clock,
    maxSize: 5,
    sizeOf: (word) => word.length,
    commit: (group) =>
      new Promise((resolve, reject) =>
        groups.push({ group, end: (error) => (error ? reject(error) : resolve()) }),
      ),
  });
  const commits = async (count: number) => {
    while (groups.length < count) await turn();
    return groups.at(-1)!;
  };
  return { add, groups, commits };
}

test('what comes in one turn is one group, and what comes meanwhile the next', async () => {
  const { add, commits } = scripted();
  const first = [add('a'), add('b')];
  const one = await commits(1);
  assert.deepEqual(one.group, ['a', 'b']);
  const later = [add('c'), add('d')];
  await turn();
  one.end();
  await Promise.all(first);
  const two = await commits(2);
  assert.deepEqual(two.group, ['c', 'd']);
  two.end();
  await Promise.all(later);
});

test('a group is no larger than it may be, but for one that is too large by itself', async () => {
  const { add, groups, commits } = scripted();
  const all = ['abc', 'de', 'f', 'ghijklm', 'n'].map((word) => add(word));
  for (let n = 1; n <= 4; n++) (await commits(n)).end();
  await Promise.all(all);
  assert.deepEqual(
    groups.map(({ group }) => group),
    [['abc', 'de'], ['f'], ['ghijklm'], ['n']],
  );
});

test('what fails fails all of its group, and the next goes on', async () => {
  const { add, commits } = scripted();
  const failing = Promise.allSettled([add('a'), add('b')]);
  const one = await commits(1);
  const next = add('c');
  one.end(new Error('no'));
  assert.deepEqual(
    (await failing).map((result) => result.status === 'rejected' && result.reason.message),
    ['no', 'no'],
  );
  (await commits(2)).end();
  await next;
});
