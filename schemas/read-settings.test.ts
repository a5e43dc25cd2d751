import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { settingSpecs } from './config.ts';
import { editDistance, faultMessage, readSettings, settingsTable, shownSettings } from './read-settings.ts';

const BYTES = Buffer.alloc(32, 7);

test('an empty environment gives every default', () => {
  const read = readSettings({});
  assert.ok(read.ok);
  assert.equal(read.settings.host, '127.0.0.1');
  assert.equal(read.settings.port, 7400);
  assert.equal(read.settings.databaseUrl, null);
  assert.equal(read.settings.logLevel, 'info');
});

test('every default obeys its own rule, and an empty variable counts as unset', () => {
  const empty = Object.fromEntries(Object.values(settingSpecs).map((spec) => [spec.env, '']));
  assert.deepEqual(readSettings(empty), readSettings({}));
  assert.ok(readSettings(empty).ok);
});

test('all faults are told at once, each with name, value, rule and fix, and none with a secret', () => {
  const read = readSettings({
    PLINTH_PORT: 'http',
    PLINTH_LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://root:hunter2@db/plinth',
    PLINTH_MASTER_KEY: 'c2hvcnQ=',
    PLINTH_PEPPERS: '1:hunter3',
    PLINTH_PROT: '80',
  });
  assert.ok(!read.ok);
  assert.deepEqual(read.faults.map((fault) => fault.env).sort(), [
    'DATABASE_URL',
    'PLINTH_LOG_LEVEL',
    'PLINTH_MASTER_KEY',
    'PLINTH_PEPPERS',
    'PLINTH_PORT',
    'PLINTH_PROT',
  ]);
  const message = faultMessage(read.faults);
  assert.match(message, /^6 settings are not right:/);
  assert.match(message, /PLINTH_PORT is "http"; it must be a whole number from 0/);
  assert.match(message, /did you mean PLINTH_PORT\?/);
  assert.doesNotMatch(message, /hunter|c2hvcnQ/);
});

test('prefixes are plain names: one with a brace would be taken for a hash tag, one with a dot for another topic', () => {
  const read = readSettings({ KAFKA_TOPIC_PREFIX: 'a-1', REDIS_PREFIX: 'Plinth_2' });
  assert.ok(read.ok && read.settings.redisPrefix === 'Plinth_2');
  for (const prefix of ['{a}', 'a:b', 'a.b', 'a*', '-a', 'x'.repeat(101)]) {
    const wrong = readSettings({ KAFKA_TOPIC_PREFIX: prefix, REDIS_PREFIX: prefix });
    assert.ok(!wrong.ok, prefix);
    assert.deepEqual(wrong.faults.map((fault) => fault.env).sort(), ['KAFKA_TOPIC_PREFIX', 'REDIS_PREFIX']);
  }
});

test('a replica without a primary is a fault', () => {
  const read = readSettings({ DATABASE_REPLICA_URL: 'postgres://a:b@c/d' });
  assert.ok(!read.ok);
  assert.match(faultMessage(read.faults), /One setting is not right:\n {2}DATABASE_REPLICA_URL/);
});

test('secrets are taken as base64, base64url and hexadecimal, and kept as they were given', () => {
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    const text = BYTES.toString(encoding);
    const read = readSettings({ PLINTH_MASTER_KEY: text, PLINTH_PEPPERS: `10:${text}, 2:${text}` });
    assert.ok(read.ok, encoding);
    assert.equal(read.settings.masterKey!.reveal(), text);
    assert.equal(read.settings.peppers!.reveal(), `10:${text}, 2:${text}`);
  }
});

test('a master key of any other length, and a pepper version twice, are refused', () => {
  const base64 = BYTES.toString('base64');
  assert.ok(!readSettings({ PLINTH_MASTER_KEY: Buffer.alloc(31).toString('base64') }).ok);
  assert.ok(!readSettings({ PLINTH_MASTER_KEY: Buffer.alloc(33).toString('hex') }).ok);
  assert.ok(!readSettings({ PLINTH_PEPPERS: `1:${base64},1:${base64}` }).ok);
  assert.ok(!readSettings({ PLINTH_PEPPERS: `0:${base64}` }).ok);
});

test('settings can be printed without their secrets', () => {
  const env = { DATABASE_URL: 'postgres://u:hunter2@h/d', PLINTH_MASTER_KEY: BYTES.toString('base64') };
  const read = readSettings(env);
  assert.doesNotMatch(inspect(read, { depth: 9 }) + JSON.stringify(read), /hunter2|BwcHB/);
  assert.doesNotMatch(JSON.stringify(shownSettings(env)), /hunter2|BwcHB/);
});

test('the distance of a name counts insertions, deletions and substitutions', () => {
  assert.equal(editDistance('PLINTH_PORT', 'PLINTH_PORT'), 0);
  assert.equal(editDistance('PLINTH_PRT', 'PLINTH_PORT'), 1);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test("the operator's page carries the table of these settings", () => {
  const page = readFileSync(new URL('../docs/operator.md', import.meta.url), 'utf8');
  assert.ok(page.includes(settingsTable()), `put this into docs/operator.md:\n${settingsTable()}`);
});
