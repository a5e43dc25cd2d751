import assert from 'node:assert/strict';
import { test } from 'node:test';
import { without } from '../support/servers.ts';
import { engineFaults, logFaults } from './engine-faults.ts';
import { faultRun } from './fault-run.ts';
import { killPoints } from './kill-points.ts';
import { compare } from './proof.ts';

const SEED = 20_261_125;
const KILLS = 30;
const FEW_KILLS = 4;

test(`${KILLS} kills of the working relay and of the active projector, at named points and at others, and what happens to Kafka, Redis and Postgres, lose and double nothing, verify never tells a wrong yes, health tells the truth, and all recovers by itself within 30 s`, {
  skip: without('kafka') || without('redis'),
}, async () => {
  const tally = await faultRun({ kills: KILLS, seed: SEED });
  // What the run was, for whoever reads the output.
  console.log(JSON.stringify(tally));
  const { relayKills, projectorKills, lost, doubled, acknowledged, events, verified, health, points } = tally;
  assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 });
  assert.ok(relayKills >= KILLS && projectorKills >= KILLS, `${relayKills} and ${projectorKills}`);
  assert.ok(acknowledged > 300 && events > acknowledged, `${acknowledged} of ${events}`);
  assert.equal(health.lies, 0);
  assert.ok(health.asked > 200, `health was asked ${health.asked} times`);
  assert.ok(verified.judged > 300, `${verified.judged} verdicts`);
  assert.ok(verified.elsewhere > 100, `${verified.elsewhere} by another process than the command`);
  for (const point of killPoints) assert.ok(points[point], `nothing was killed at ${point}`);
  assert.deepEqual([...new Set(tally.faults)].sort(), Object.keys(engineFaults).sort());
});

test(`the same with the log on the stand-in for EventStoreDB, over ${FEW_KILLS} kills of each: it restarts, hangs, refuses, loses answers and ends subscriptions`, {
  skip: without('kafka') || without('redis'),
}, async () => {
  const tally = await faultRun({ kills: FEW_KILLS, seed: SEED, log: 'eventstore' });
  console.log(JSON.stringify(tally));
  const { relayKills, projectorKills, lost, doubled, acknowledged, events, health, faults } = tally;
  assert.deepEqual({ lost, doubled, lies: health.lies }, { lost: 0, doubled: 0, lies: 0 });
  assert.ok(relayKills >= FEW_KILLS && projectorKills >= FEW_KILLS, `${relayKills} and ${projectorKills}`);
  assert.ok(acknowledged > 100 && events > acknowledged, `${acknowledged} of ${events}`);
  assert.deepEqual([...new Set(faults)].sort(), Object.keys(logFaults).sort());
});

test('a run notices an acknowledged command that the log lacks, and an event that nobody asked for twice', () => {
  const at = (position: string, type = 'key.issued') => ({ position, type, stream: 'key-k1' }) as never;
  const issued = { operation: 'issue', keyId: 'k1', position: '1', token: 'e.1' } as const;
  assert.deepEqual(compare([at('1')], [issued]), { lost: 0, doubled: 0 });
  assert.deepEqual(compare([], [issued]), { lost: 1, doubled: 0 });
  assert.deepEqual(compare([at('1', 'key.revoked')], [issued]), { lost: 1, doubled: 1 });
  assert.deepEqual(compare([at('1'), at('2')], [issued]), { lost: 0, doubled: 1 });
  assert.deepEqual(compare([at('1')], [issued, issued]), { lost: 1, doubled: 0 });
});
