import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRun } from './crash-run.ts';
import { killPoints } from './kill-points.ts';

const SEED = 20_261_124;

test('what was acknowledged survives 50 kills of the process and 20 of its PostgreSQL, once and in order, and read models equal a rebuild', async () => {
  const { tally, wrong, hits, notRecovered } = await crashRun({
    kills: 50,
    postgresKills: 20,
    seed: SEED,
    proveEvery: 10,
  });
  assert.deepEqual(wrong, [], `seed ${SEED}`);
  assert.deepEqual(
    {
      ...tally,
      acknowledged: tally.acknowledged > 500,
      retries: tally.retries >= 70,
      notRecovered,
    },
    {
      kills: 50,
      postgresKills: 20,
      acknowledged: true,
      lost: 0,
      doubled: 0,
      reordered: 0,
      altered: 0,
      retries: true,
      differences: 0,
      notRecovered: 0,
    },
  );
  for (const point of killPoints) assert.ok(hits.get(point), `nothing was killed at ${point}`);
});

test('a run notices when a command that is sent again is carried out again', async () => {
  const { tally } = await crashRun({ kills: 3, postgresKills: 0, seed: SEED, twin: 'forgetful' });
  assert.ok(tally.doubled > 0, JSON.stringify(tally));
  assert.ok(tally.altered > 0, JSON.stringify(tally));
});

test('a run notices when appends are acknowledged before they are committed', async () => {
  const { tally } = await crashRun({ kills: 0, postgresKills: 6, seed: SEED, twin: 'uncommitted' });
  assert.ok(tally.lost > 0, JSON.stringify(tally));
});
