import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureOf, isServerTrouble } from './redis-failure.ts';

const refused = (message: string) =>
  failureOf('limits', Object.assign(new Error(message), { name: 'ReplyError' }));

test('what a script was refused with counts as it does outside of one, also where Redis 6 wraps it', () => {
  for (const message of [
    "READONLY You can't write against a read only replica. script: 4f, on @user_script:1.",
    "ERR Error running script (call to f_4f): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica. ",
    "ERR Error running script (call to f_4f): @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'. ",
  ]) {
    assert.ok(isServerTrouble(refused(message)), message);
  }
  const own = refused('ERR Error running script (call to f_4f): @user_script:2: user_script:2: -KEYED nil ');
  assert.deepEqual([own.message, isServerTrouble(own)], ['redis limits: ERR in line 2 of the script', false]);
});
