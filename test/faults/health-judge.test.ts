import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { projectionCatalogue } from '../../projections/catalogue.ts';
import { type Epoch, type Position, positionToken } from '../../schemas/envelope.ts';
import type { Stand } from './cluster.ts';
import { engineFaults, logFaults } from './engine-faults.ts';
import { type Happening, type HealthAnswer, judge, tells } from './health-judge.ts';
import { TOLD_WITHIN_MS, truths } from './health-truth.ts';
import { judgeList, type Listed } from './projections-watch.ts';

function answer(of: Partial<HealthAnswer>): HealthAnswer {
  return {
    role: 'relay',
    startedMs: 0,
    answeredMs: 10,
    ready: true,
    reasons: {},
    live: 200,
    redisSinceMs: null,
    stoodStill: false,
    ...of,
  };
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

test('a list of projections is held against the database', () => {
  const names = projectionCatalogue.map(({ name }) => name);
  const at = (position: string) => position.padStart(20, '0') as Position;
  const stands = (position: string, generation: number | null = null): Stand[] =>
    names.map((projection) => ({
      projection,
      state: 'current',
      position: at(position),
      generation,
    }));
  const listed = (position: string, of: Partial<Listed> = {}): Listed[] =>
    names.map((name) => ({
      name,
      state: 'current',
      position: positionToken(randomUUID() as Epoch, at(position)),
      generation: null,
      halted: null,
      parkedStreams: 0,
      ...of,
    }));
  assert.equal(judgeList(listed('2'), stands('1'), stands('3')), null);
  assert.match(judgeList(listed('0'), stands('1'), stands('3'))!, /is past 0+,/);
  assert.match(judgeList(listed('4'), stands('1'), stands('3'))!, /has not reached 0+4/);
  assert.match(judgeList(listed('2', { generation: 1 }), stands('1', 2), stands('3', 2))!, /generation 2/);
  assert.equal(judgeList(listed('2', { generation: 1 }), stands('1', 1), stands('3')), null);
  assert.match(judgeList(listed('2', { halted: 'why' }), stands('1'), stands('3'))!, /nothing that stops/);
  assert.match(judgeList(listed('2').slice(1), stands('1'), stands('3'))!, /is not there once/);
});

test('nothing is named that is well, or was long ago, and nobody is unready for no reason', () => {
  const named = answer({ ready: false, reasons: { database: 'NoAnswer' } });
  assert.match(judge(named, [happening('redis flushed')])!, /names database/);
  assert.equal(judge(named, [happening('postgres slow')]), null);
  const waits = {
    role: 'projector',
    ready: false,
    reasons: { 'projection:key_list': 'events wait' },
  } as const;
  assert.match(judge(answer(waits), [happening('redis cut')])!, /names projection/);
  assert.equal(judge(answer({ ...waits, stoodStill: true }), [happening('redis cut')]), null);
  const killed = happening('roles killed');
  const busy = answer({ reasons: { redis: 'away' }, redisSinceMs: -5_000 });
  assert.equal(judge(busy, [killed]), null);
  assert.match(judge({ ...busy, redisSinceMs: -10_000 }, [killed])!, /names redis/);
  assert.equal(judge(named, [happening('postgres slow', { toMs: -1_000 }), killed]), null);
  assert.match(judge(named, [happening('postgres slow', { toMs: -60_000 }), killed])!, /names database/);
  const fed = answer({ role: 'projector', ready: false, reasons: { 'projection:key_list': 'events wait' } });
  assert.equal(judge(fed, [killed]), null);
  assert.match(judge(answer({ ready: false }), [happening('kafka slow')])!, /does not say why/);
  assert.match(judge(answer({ live: 503 }), [happening('kafka slow')])!, /livez/);
  assert.equal(judge(answer({ ready: null, live: null }), [killed]), null);
});
