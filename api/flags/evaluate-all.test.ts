import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlinthError } from '../../schemas/errors.ts';
import { servedEnvironment } from '../../test/support/served-flags.ts';
import { evaluateAll } from './evaluate-all.ts';

const keys = Array.from({ length: 1_000 }, (_, n) => `flag-${n}`);
const { flags } = servedEnvironment(
  Object.fromEntries(keys.map((key) => [key, { variants: { on: true, off: false } }])),
);

/** A clock that each flag moves on. */
function slowFlags(msAFlag: number) {
  const time = { ms: 0, turns: 0 };
  return {
    time,
    clock: {
      now: () => time.ms,
      sleep: async () => {
        time.turns += 1;
      },
    },
    textOf: ({ key }: { readonly key: string }) => {
      time.ms += msAFlag;
      return key;
    },
  };
}

test('what is quick is answered at once, in order, without what is left out', () => {
  const { clock, textOf } = slowFlags(0.001);
  assert.equal(evaluateAll(flags.values(), textOf, clock), keys.join());
  const some = evaluateAll(flags.values(), ({ key }) => (key.endsWith('7') ? key : null), clock);
  assert.equal(some, keys.filter((key) => key.endsWith('7')).join());
  assert.equal(evaluateAll([], textOf, clock), '');
});

test('what is slow lets others have their turn, and is answered whole', async () => {
  const { clock, textOf, time } = slowFlags(1);
  assert.equal(await evaluateAll(flags.values(), textOf, clock), keys.join());
  // Every 32 flags, which are 32 ms here.
  assert.equal(time.turns, 31);
});

test('what takes too long altogether is given up', async () => {
  const { clock, textOf } = slowFlags(20);
  await assert.rejects(
    async () => evaluateAll(flags.values(), textOf, clock),
    (error) => error instanceof PlinthError && error.rejection.code === 'overloaded',
  );
});
