import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthError } from '../../schemas/errors.ts';
import type { Limiter } from '../verify/limiter.ts';
import { mustBeOpenForIssuing } from './open-for-issuing.ts';

test('who may not issue a key is told what keeps limits from being shared', () => {
  const open = (why: string | null) =>
    mustBeOpenForIssuing({ limiter: { unshared: () => why } as Pick<Limiter, 'unshared'> });
  open(null);
  for (const why of [
    'Redis refuses the password: check REDIS_URL',
    'a node of the Redis Cluster does not answer',
  ]) {
    assert.throws(
      () => open(why),
      (error) =>
        error instanceof PlinthError &&
        error.rejection.code === 'unavailable' &&
        error.rejection.detail === `Keys are not issued while limits cannot be shared: ${why}.`,
    );
  }
});
