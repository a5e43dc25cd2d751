import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import pg from 'pg';
import { PlinthClient } from '../../clients/node/index.ts';
import {
  adminKey,
  dataFolder,
  embedded,
  embeddedUrl,
  startRole,
  until,
} from '../support/platform-process.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** OpenMetrics text, strictly: every line is one that the format has, and the text ends as it must. */
function parseMetrics(text: string): Sample[] {
  const lines = text.split('\n');
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  const typed = new Set<string>();
  return lines.slice(0, -2).flatMap((line) => {
    const meta = /^# (HELP|TYPE|UNIT) ([a-z_][a-z0-9_]*)/.exec(line);
    if (meta) {
      if (meta[1] === 'TYPE') {
        assert.ok(!typed.has(meta[2]!), `${meta[2]} is declared twice`);
        typed.add(meta[2]!);
      }
      return [];
    }
    const found = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    assert.ok(found, `no line of the format: ${line}`);
    const [, name, labels = '', value] = found;
    const family = name!.replace(/_(bucket|sum|count|total)$/, '');
    assert.ok(typed.has(name!) || typed.has(family), `${name} has no type`);
    assert.ok(value === 'Nan' || Number.isFinite(Number(value)) || /^[+-]Inf$/.test(value!), line);
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)",?/g)].map(([, key, text]) => [
      key,
      text,
    ]);
    return [{ name: name!, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

test('metrics and log lines tell what happened: by route template, projection and code, with request and trace ids', async (t) => {
  const folder = await dataFolder(t);
  const platform = await startRole(t, 'start', { env: embedded(folder) });
  const { url } = platform;
  const key = await adminKey(folder);
  const client = new PlinthClient({ url, key });
  const issued = await client.issueKey({ name: 'seen' });
  await until('it verifies', async () => (await client.verify({ key: issued.secret! })).valid);
  await client.verify({ key: 'no key at all' });
  await client.getKey(issued.key.id);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const missing = await fetch(`${url}/v1/keys/key_000000000000`, {
    headers: {
      authorization: `Bearer ${key}`,
      'x-request-id': 'seen-1',
      traceparent,
    },
  });
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('x-request-id'), 'seen-1');
  assert.equal((await fetch(`${url}/no/such/route`)).status, 404);
  assert.equal((await fetch(`${url}/v1/keys`)).status, 401);

  const answer = await fetch(`${url}/metrics`);
  assert.match(answer.headers.get('content-type')!, /^application\/openmetrics-text; version=1\.0\.0/);
  const samples = parseMetrics(await answer.text());
  const value = (name: string, labels: Record<string, string> = {}) =>
    samples.find(
      (one) => one.name === name && Object.entries(labels).every(([k, text]) => one.labels[k] === text),
    )?.value;

  // RED by route template.
  const requests = 'plinth_http_request_duration_seconds_count';
  const get = { method: 'GET', route: '/v1/keys/{id}' };
  assert.equal(value(requests, { ...get, status: '200' }), 1);
  assert.equal(value(requests, { ...get, status: '404' }), 1);
  assert.equal(value(requests, { method: 'GET', route: '/v1/keys', status: '401' }), 1);
  assert.equal(value(requests, { method: 'GET', route: 'unmatched', status: '404' }), 1);
  assert.equal(
    value('plinth_http_request_duration_seconds_bucket', { ...get, status: '200', le: '+Inf' }),
    1,
  );
  assert.ok(!samples.some(({ labels }) => labels.route?.includes(issued.key.id)), 'no id in a label');
  assert.ok(value('plinth_verify_total', { code: 'VALID' })! >= 1);
  assert.ok(value('plinth_verify_total', { code: 'NOT_FOUND' })! >= 1);

  for (const projection of ['keys', 'key_list', 'tenants', 'usage']) {
    const lag = value('plinth_projection_lag_seconds', { projection });
    assert.ok(lag !== undefined && lag >= 0 && lag < 60, `${projection} lags ${lag}`);
    assert.equal(value('plinth_projection_stopped', { projection }), 0);
    assert.equal(value('plinth_projection_parked_streams', { projection }), 0);
  }
  assert.ok(value('plinth_log_append_duration_seconds_count', { outcome: 'appended' })! >= 2);
  assert.ok(samples.some(({ name }) => name === 'plinth_database_statement_duration_seconds_count'));
  assert.ok(value('plinth_database_connections', { pool: 'primary', state: 'idle' })! >= 0);
  assert.ok(value('plinth_event_loop_utilization')! > 0);

  // What operators are told to look at is there; families of which nothing has happened yet are declared.
  const guide = await readFile(new URL('../../docs/operator.md', import.meta.url), 'utf8');
  const named = [...new Set([...guide.matchAll(/`(plinth_[a-z_]+)`/g)].map(([, name]) => name!))];
  assert.ok(named.length >= 8, named.join());
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const name of named) {
    assert.match(text, new RegExp(`^# TYPE ${name.replace(/_total$/, '')} `, 'm'), `${name} is not declared`);
  }
  for (const name of [
    'plinth_personal_fields_lost',
    'plinth_usage_dropped',
    'plinth_limiter_refused_full',
    'plinth_request_memo_evicted',
    'plinth_hot_folds',
    'plinth_hot_fold_bytes',
    'plinth_hot_fold_hits',
    'plinth_hot_fold_misses',
  ]) {
    assert.equal(value(name), 0, `${name} is not told before it grows`);
  }

  const ended = await platform.stop('SIGINT');
  assert.equal(ended.code, 0);
  const lines = ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const answered = lines.filter(({ message }) => message === 'answered');
  assert.ok(answered.length >= 8);
  for (const line of answered) {
    assert.match(String(line.reqId), /^[A-Za-z0-9._:-]{1,128}$/);
    assert.match(String(line.traceId), /^[0-9a-f]{32}$/);
    assert.equal(line.notLogged, undefined);
  }
  const traced = answered.find(({ reqId }) => reqId === 'seen-1')!;
  const { origin, method, route, status, tenant, actor, ms } = traced;
  assert.notEqual(traced.traceId, traceparent.slice(3, 35), 'a trace of our own, linked to the caller’s');
  assert.deepEqual(
    { origin, method, route, status, tenant: typeof tenant, actor: typeof actor, ms: typeof ms },
    { origin: traceparent, ...get, status: 404, tenant: 'string', actor: 'string', ms: 'number' },
  );
  for (const line of lines) assert.ok(line.level && line.time && line.message, JSON.stringify(line));
});

test('a personal field whose data key is missing although nothing erased it is counted and told in the log', async (t) => {
  const folder = await dataFolder(t);
  const platform = await startRole(t, 'start', { env: embedded(folder) });
  const { url } = platform;
  const client = new PlinthClient({ url, key: await adminKey(folder) });
  const issued = await client.issueKey({ name: 'to be lost', ownerId: 'owner-1' });
  const database = new pg.Client({ connectionString: await embeddedUrl(folder) });
  await database.connect();
  const { rowCount } = await database.query('DELETE FROM plinth_keys.data_keys WHERE subject IS NOT NULL');
  await database.end();
  assert.equal(rowCount, 1);

  // A process may hold a key that it has for some seconds.
  let lost = 0;
  await until('the loss is counted', async () => {
    for await (const change of client.keyHistory(issued.key.id)) assert.equal(change.type, 'key.issued');
    const samples = parseMetrics(await (await fetch(`${url}/metrics`)).text());
    lost = samples.find(({ name }) => name === 'plinth_personal_fields_lost')!.value;
    return lost > 0;
  });
  assert.equal((await client.verify({ key: issued.secret! })).code, 'VALID', 'verify needs none of it');
  const ended = await platform.stop('SIGINT');
  const told = ended.stdout
    .split('\n')
    .filter((line) => line.includes('the data key of a personal field is missing'));
  assert.ok(told.length > 0);
  assert.match(told[0]!, /"level":"error".*"stream":"key-/);
});
