import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineFaults, logFaults } from './engine-faults.ts';
import { type Happening, type HealthAnswer, judge, tells } from './health-judge.ts';
import { TOLD_WITHIN_MS, truths } from './health-truth.ts';

function answer(of: Partial<HealthAnswer>): HealthAnswer {
  return { role: 'relay', startedMs: 0, answeredMs: 10, ready: true, reasons: {}, live: 200, ...of };
}

function happening(what: string, of: Partial<Happening> = {}): Happening {
  return { what, truth: truths[what]!, fromMs: -1_000_000, toMs: null, awaySinceMs: null, ...of };
}

test('the table says of every fault what is true meanwhile', () => {
  const faults = [...Object.keys(engineFaults), ...Object.keys(logFaults), 'roles killed'];
  assert.deepEqual(Object.keys(truths).sort(), [...new Set(faults)].sort());
});

test('who needs an engine that is away must say so in time, and is not ready', () => {
  const away = [happening('kafka killed', { awaySinceMs: 0 })];
  const late = { startedMs: TOLD_WITHIN_MS };
  const told = { kafka: 'NoAnswer' };
  assert.equal(judge(answer({ startedMs: TOLD_WITHIN_MS - 1 }), away), null);
  assert.match(judge(answer(late), away)!, /ready: true/);
  assert.match(judge(answer({ ...late, ready: true, reasons: told }), away)!, /ready: true/);
  assert.equal(judge(answer({ ...late, ready: false, reasons: told }), away), null);
  assert.match(
    judge(answer({ ...late, ready: false, reasons: { relay: 'retrying' } }), away)!,
    /ready: false/,
  );
  assert.equal(judge(answer({ ...late, role: 'api' }), away), null, 'it asks nothing of Kafka');
});

test('Redis that is away is told by who goes on without it, ready', () => {
  const [{ truth }, redis] = [happening('redis cut'), { redis: 'away' }];
  assert.ok(tells({ role: 'api', ready: true, reasons: redis }, truth));
  assert.ok(!tells({ role: 'api', ready: false, reasons: redis }, truth));
  assert.ok(!tells({ role: 'api', ready: true, reasons: {} }, truth));
});

test('nothing is named that is well, or was long ago, and nobody is unready for no reason', () => {
  const named = answer({ ready: false, reasons: { database: 'NoAnswer' } });
  assert.match(judge(named, [happening('redis flushed')])!, /names database/);
  assert.equal(judge(named, [happening('postgres slow')]), null);
  const killed = happening('roles killed');
  assert.equal(judge(named, [happening('postgres slow', { toMs: -1_000 }), killed]), null);
  assert.match(judge(named, [happening('postgres slow', { toMs: -60_000 }), killed])!, /names database/);
  const fed = answer({ role: 'projector', ready: false, reasons: { 'projection:key_list': 'events wait' } });
  assert.equal(judge(fed, [killed]), null);
  assert.match(judge(answer({ ready: false }), [happening('kafka slow')])!, /does not say why/);
  assert.match(judge(answer({ live: 503 }), [happening('kafka slow')])!, /livez/);
  assert.equal(judge(answer({ ready: null, live: null }), [killed]), null);
});
