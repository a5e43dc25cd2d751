import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, scrub } from './log.ts';

const KEY = `plinth_live_${'a'.repeat(12)}_${'b'.repeat(49)}`;
const JWT = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.${'c'.repeat(43)}`;

function lines() {
  const written: string[] = [];
  const log = createLog({ level: 'info', write: (line) => written.push(line) });
  return { log, written };
}

test('a line is one JSON object with level, time and message', () => {
  const { log, written } = lines();
  log.info({ reqId: 'r1', status: 200 }, 'answered');
  const line = JSON.parse(written[0]!);
  assert.equal(line.level, 'info');
  assert.equal(line.message, 'answered');
  assert.equal(line.reqId, 'r1');
  assert.ok(Number.isFinite(Date.parse(line.time)));
  assert.ok(written[0]!.endsWith('\n'));
});

test('what is not on the allow-list is named and not written', () => {
  const { log, written } = lines();
  log.info({ status: 401, headers: { authorization: 'hunter2' }, body: 'hunter3' }, 'refused');
  const line = JSON.parse(written[0]!);
  assert.deepEqual(line.notLogged, ['headers', 'body']);
  assert.equal(line.status, 401);
  assert.doesNotMatch(written[0]!, /hunter/);
});

test('credentials inside messages and errors are scrubbed, and the line stays JSON', () => {
  const { log, written } = lines();
  const cause = new Error(`connect postgres://plinth:hunter2@10.0.0.1/plinth`);
  log.error({ err: new Error(`no such key ${KEY}`, { cause }) }, `Bearer ${JWT} sent "Bearer abc"`);
  JSON.parse(written[0]!);
  assert.doesNotMatch(written[0]!, /hunter2|bbbbbbbb|eyJ|"abc|Bearer abc/);
  assert.match(written[0]!, /10\.0\.0\.1/);
});

test('an error is told by type, message, code and stack, never by its other fields', () => {
  const { log, written } = lines();
  const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (a)=(hunter2)' });
  log.error({ err: error }, 'append failed');
  const { err } = JSON.parse(written[0]!);
  assert.equal(err.code, '23505');
  assert.equal(err.message, 'duplicate key');
  assert.equal(err.detail, undefined);
});

test('scrubbing leaves ordinary lines as they are', () => {
  const line = '{"level":"info","route":"/v1/keys/{id}","message":"see http://127.0.0.1:7400/docs"}';
  assert.equal(scrub(line), line);
});
