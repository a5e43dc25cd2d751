import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exposureOf, rampEdits } from './ramp-edits.ts';

const flag = {
  flag: 'a',
  mode: 'off' as const,
  variants: { on: true, off: false },
  offVariant: 'off',
  fallthrough: { variant: 'on' },
};
const dealt = (edits: ReturnType<typeof rampEdits>) =>
  edits.flatMap((edit) => (edit.edit === 'set_fallthrough' ? [edit.fallthrough] : []));

test('a ramp switches a flag on and deals out its one other variant by targeting key', () => {
  assert.deepEqual(rampEdits(flag, { exposure: 25_000 }), [
    {
      edit: 'set_fallthrough',
      fallthrough: {
        rollout: { by: 'targetingKey', exposure: 25_000, weights: [{ variant: 'on', weight: 1 }] },
      },
    },
    { edit: 'set_mode', mode: 'on' },
  ]);
});

test('a further ramp keeps whom it goes by, and the weights', () => {
  const weights = [
    { variant: 'a', weight: 1 },
    { variant: 'b', weight: 3 },
  ];
  const fallthrough = { rollout: { by: 'company', exposure: 10_000, weights } };
  const edits = rampEdits({ ...flag, mode: 'on', fallthrough }, { exposure: 50_000 });
  assert.deepEqual(edits.length, 1);
  assert.deepEqual(dealt(edits), [{ rollout: { by: 'company', exposure: 50_000, weights } }]);
  assert.deepEqual(dealt(rampEdits({ ...flag, fallthrough }, { exposure: 1, by: 'user', variant: 'b' })), [
    { rollout: { by: 'user', exposure: 1, weights: [{ variant: 'b', weight: 1 }] } },
  ]);
});

test('a ramp does not choose between variants, and brings back no flag that was killed', () => {
  const several = { ...flag, variants: { off: '', a: 'a', b: 'b' }, fallthrough: { variant: 'off' } };
  assert.throws(() => rampEdits(several, { exposure: 1 }), /--variant a or b\.$/);
  assert.throws(() => rampEdits({ ...flag, mode: 'killed' }, { exposure: 1 }), /was killed/);
});

test('a share has up to three decimals', () => {
  assert.deepEqual(['0', '25', '12.5', '0.001', '100'].map(exposureOf), [0, 25_000, 12_500, 1, 100_000]);
  assert.deepEqual(['', '101', '100.001', '1.0001', '-1', 'x', '25%'].map(exposureOf), Array(7).fill(null));
});
