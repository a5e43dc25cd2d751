import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../telemetry/log.ts';
import { connectionLosses } from './connection-losses.ts';

test('a connection that is lost is one warning without a stack, and none when this process ends itself', () => {
  const lines: string[] = [];
  const noticed: string[] = [];
  const losses = connectionLosses(createLog({ level: 'info', write: (line) => lines.push(line) }), {
    noticed: (event) => noticed.push(event),
  });
  const shutDown = Object.assign(new Error('terminating connection due to administrator command'), {
    code: '57P01',
    severity: 'FATAL',
  });
  losses.tell('postgres', shutDown);
  const { level, code, problem } = JSON.parse(lines[0]!) as Record<string, string>;
  assert.deepEqual([level, code], ['warn', '57P01']);
  assert.match(problem!, /administrator command/);
  assert.doesNotMatch(lines[0]!, /stack|\.ts:/);
  losses.tell('postgres', new TypeError('x is no function'));
  assert.match(lines[1]!, /stack/, 'what nobody expects comes with where it was');
  losses.stop();
  losses.tell('postgres', shutDown);
  assert.equal(lines.length, 2);
  assert.deepEqual(noticed, ['database_connection_lost', 'database_connection_lost']);
});
