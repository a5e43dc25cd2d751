import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { createLog } from '../infra/telemetry/log.ts';
import { PlinthError } from '../schemas/errors.ts';
import { EPOCH, scratchApi } from '../test/support/scratch-api.ts';

const auth = { authorization: 'Bearer good-key' };
const json = { ...auth, 'content-type': 'application/json' };

interface Problem {
  code: string;
  type: string;
  status: number;
  detail: string;
  requestId: string;
  errors?: { field: string; message: string }[];
}

test('every fault of a request is named by its field', async (t) => {
  const { app } = await scratchApi(t);
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/widgets',
    headers: auth,
    payload: { nam: 'a', size: 99, parts: [{ id: 'A', x: 1 }] },
  });
  assert.equal(answer.statusCode, 400);
  const problem = answer.json<Problem>();
  assert.equal(problem.code, 'invalid_request');
  assert.deepEqual(problem.errors?.map((e) => e.field).sort(), [
    'nam',
    'name',
    'parts[0].id',
    'parts[0].x',
    'size',
  ]);
});

test('unknown and malformed query parameters are named together', async (t) => {
  const { app } = await scratchApi(t);
  const answer = await app.inject({ url: '/v1/widgets/a?limit=x&foo=1', headers: auth });
  assert.deepEqual(
    answer.json<Problem>().errors?.map((e) => e.field),
    ['query.limit', 'query.foo'],
  );
});

test('a repeated query parameter is refused, not joined', async (t) => {
  const { app } = await scratchApi(t);
  const answer = await app.inject({ url: '/v1/widgets/a?limit=1&limit=2', headers: auth });
  assert.equal(answer.statusCode, 400);
  assert.deepEqual(answer.json<Problem>().errors, [{ field: 'query.limit', message: 'may be given once' }]);
});

test('whatever goes wrong answers a problem of the catalogue that is documented where its type says', async (t) => {
  const { app } = await scratchApi(t);
  const deep = '['.repeat(20_000);
  const cases: [string, number, string, InjectOptions][] = [
    [
      'truncated JSON',
      400,
      'malformed_json',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: '{"name":' },
    ],
    [
      'not UTF-8',
      400,
      'malformed_json',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: Buffer.from([0x22, 0xff, 0x22]) },
    ],
    [
      'a depth bomb',
      400,
      'invalid_request',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: deep },
    ],
    [
      'a prototype',
      400,
      'invalid_request',
      {
        method: 'POST',
        url: '/v1/widgets',
        headers: json,
        payload: '{"name":"a","metadata":{"__proto__":{"a":1}}}',
      },
    ],
    [
      'an escaped prototype',
      400,
      'invalid_request',
      {
        method: 'POST',
        url: '/v1/widgets',
        headers: json,
        payload: '{"name":"a","metadata":{"\\u005f_proto__":{"a":1}}}',
      },
    ],
    [
      'U+0000',
      400,
      'invalid_request',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: '{"name":"\\u0000"}' },
    ],
    [
      'half a surrogate pair',
      400,
      'invalid_request',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: '{"name":"\\ud83d"}' },
    ],
    [
      'an array for a body',
      400,
      'invalid_request',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: '[]' },
    ],
    [
      'another type',
      415,
      'unsupported_media_type',
      {
        method: 'POST',
        url: '/v1/widgets',
        headers: { ...auth, 'content-type': 'text/plain' },
        payload: 'x',
      },
    ],
    [
      'another charset',
      415,
      'unsupported_media_type',
      {
        method: 'POST',
        url: '/v1/widgets',
        headers: { ...auth, 'content-type': 'application/json; charset=utf-16' },
        payload: '{}',
      },
    ],
    [
      'a large body',
      413,
      'body_too_large',
      { method: 'POST', url: '/v1/widgets', headers: json, payload: `"${'x'.repeat(70_000)}"` },
    ],
    ['a bad escape in the path', 400, 'invalid_request', { url: '/v1/widgets/%zz', headers: auth }],
    ['U+0000 in the path', 400, 'invalid_request', { url: '/v1/widgets/%00', headers: auth }],
    ['a long parameter', 414, 'uri_too_long', { url: `/v1/widgets/${'x'.repeat(400)}`, headers: auth }],
    ['a long query', 414, 'uri_too_long', { url: `/v1/widgets/a?limit=${'1'.repeat(9_000)}`, headers: auth }],
    [
      'another Accept',
      406,
      'not_acceptable',
      { url: '/v1/widgets/a', headers: { ...auth, accept: 'image/png' } },
    ],
    ['an unknown path', 404, 'not_found', { url: '/v1/nothing' }],
    ['an unknown method', 405, 'method_not_allowed', { method: 'DELETE', url: '/v1/widgets/a' }],
    [
      'a position of another history',
      410,
      'epoch_gone',
      {
        url: '/v1/widgets/a',
        headers: { ...auth, 'plinth-position': `${EPOCH.replace('6', '7')}.00000000000000000001` },
      },
    ],
    [
      'no position',
      400,
      'invalid_request',
      { url: '/v1/widgets/a', headers: { ...auth, 'plinth-position': '12' } },
    ],
    [
      'an odd idempotency key',
      400,
      'invalid_request',
      {
        method: 'POST',
        url: '/v1/widgets',
        headers: { ...auth, 'idempotency-key': 'a b' },
        payload: { name: 'a' },
      },
    ],
    [
      'a weak ETag',
      412,
      'precondition_failed',
      { method: 'PATCH', url: '/v1/widgets/a', headers: { ...auth, 'if-match': 'W/"3"' } },
    ],
    [
      'no ETag',
      400,
      'invalid_request',
      { method: 'PATCH', url: '/v1/widgets/a', headers: { ...auth, 'if-match': '3' } },
    ],
    ['a broken handler', 500, 'internal', { url: '/v1/widgets/boom', headers: auth }],
  ];
  for (const [what, status, code, request] of cases) {
    const answer = await app.inject(request);
    assert.equal(answer.statusCode, status, what);
    assert.equal(answer.headers['content-type'], 'application/problem+json', what);
    const problem = answer.json<Problem>();
    assert.equal(problem.code, code, what);
    assert.equal(problem.status, status, what);
    assert.equal(problem.requestId, answer.headers['x-request-id'], what);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff', what);
    assert.ok(!answer.payload.includes('secret internals'), what);
    assert.equal((await app.inject(problem.type)).statusCode, 200, problem.type);
  }
});

test('the credential is judged before the body is read', async (t) => {
  const { app } = await scratchApi(t);
  const send = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/v1/widgets', headers, payload: { nonsense: true } });
  const none = await send({});
  assert.equal(none.statusCode, 401);
  assert.equal(none.json<Problem>().code, 'credential_missing');
  assert.equal(none.headers['www-authenticate'], 'Bearer realm="plinth"');
  for (const authorization of ['Basic Zm9v', 'Bearer', 'Bearer nope', 'good-key', 'Bearer a b']) {
    const bad = await send({ authorization });
    assert.equal(bad.json<Problem>().code, 'credential_invalid', authorization);
    assert.ok(!bad.payload.includes('nope'));
  }
  const reader = await send({ authorization: 'Bearer reader-key' });
  assert.equal(reader.statusCode, 403);
  assert.equal(reader.json<Problem & { permission: string }>().permission, 'keys:write');
});

test('permissions that reach across tenants are honoured in the default tenant alone', async (t) => {
  const { app } = await scratchApi(t);
  const ask = (key: string) =>
    app.inject({ url: '/v1/widgets/unused', headers: { authorization: `Bearer ${key}` } });
  assert.equal((await ask('good-key')).statusCode, 200);
  assert.equal((await ask('other-key')).statusCode, 403);
});

test('the same idempotency key is the same command, and another one is not', async (t) => {
  const { app } = await scratchApi(t);
  const make = async (key?: string) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/widgets',
      headers: key === undefined ? auth : { ...auth, 'idempotency-key': key },
      payload: { name: 'a' },
    });
    assert.equal(answer.statusCode, 201);
    return answer.json<{ commandId: string }>().commandId;
  };
  assert.equal(await make('one'), await make('one'));
  assert.notEqual(await make('one'), await make('two'));
  assert.notEqual(await make(), await make());
});

test('what no schema declares is never sent', async (t) => {
  const { app } = await scratchApi(t);
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/widgets',
    headers: auth,
    payload: { name: 'a' },
  });
  assert.deepEqual(Object.keys(answer.json()).sort(), ['commandId', 'digest', 'name']);
});

test('an answer carries position, ETag, request id, and forbids to be kept', async (t) => {
  const { app } = await scratchApi(t);
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/widgets',
    headers: { ...auth, 'x-request-id': 'mine-1' },
    payload: { name: 'a' },
  });
  assert.equal(answer.headers['plinth-position'], `${EPOCH}.00000000000000000007`);
  assert.equal(answer.headers.etag, '"1"');
  assert.equal(answer.headers['x-request-id'], 'mine-1');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const odd = await app.inject({ url: '/livez', headers: { 'x-request-id': 'a b' } });
  assert.match(String(odd.headers['x-request-id']), /^req_[A-Za-z0-9_-]{20}$/);
});

test('a caller cannot choose the trace that its request is filed under', async (t) => {
  const { app } = await scratchApi(t);
  const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
  const answer = await app.inject({ url: '/v1/widgets/a', headers: { ...auth, traceparent } });
  const { trace } = answer.json<{ trace: string }>();
  assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.ok(!trace.includes('abab'));
});

test('If-Match hands on a version, and * demands none', async (t) => {
  const { app } = await scratchApi(t);
  const change = async (tag?: string) => {
    const headers = tag === undefined ? auth : { ...auth, 'if-match': tag };
    const answer = await app.inject({ method: 'PATCH', url: '/v1/widgets/a', headers });
    assert.equal(answer.headers['idempotency-replayed'], 'true');
    return answer.json<{ ifVersion: number | null }>().ifVersion;
  };
  assert.equal(await change('"12"'), 12);
  assert.equal(await change('*'), null);
  assert.equal(await change(), null);
});

test('OPTIONS tells the methods, HEAD answers without a body, and a fixed path wins over a parameter', async (t) => {
  const { app } = await scratchApi(t);
  const options = await app.inject({ method: 'OPTIONS', url: '/v1/widgets/a' });
  assert.equal(options.statusCode, 204);
  assert.equal(options.headers.allow, 'GET, HEAD, OPTIONS, PATCH');
  const head = await app.inject({ method: 'HEAD', url: '/v1/widgets/a', headers: auth });
  assert.equal(head.statusCode, 200);
  assert.equal(head.payload, '');
  assert.equal((await app.inject({ method: 'HEAD', url: '/v1/widgets/a' })).statusCode, 401);
  assert.deepEqual((await app.inject({ url: '/v1/widgets/unused', headers: auth })).json(), { unused: true });
});

test('every answer is observed once, by route template', async (t) => {
  const { app, observed } = await scratchApi(t);
  await app.inject({ url: '/v1/widgets/a', headers: auth });
  await app.inject({ url: '/v1/widgets/b' });
  await app.inject({ url: '/what/ever' });
  assert.deepEqual(observed, [
    { method: 'GET', route: '/v1/widgets/{id}', status: 200 },
    { method: 'GET', route: '/v1/widgets/{id}', status: 401 },
    { method: 'GET', route: 'unmatched', status: 404 },
  ]);
});

test('readiness names what is missing', async (t) => {
  const { app } = await scratchApi(t, {
    ready: async () => ({ ready: false, checks: { log: { ok: false, detail: 'connection refused' } } }),
  });
  const answer = await app.inject('/readyz');
  assert.equal(answer.statusCode, 503);
  assert.match(answer.json<Problem>().detail, /log/);
  assert.equal(answer.headers['retry-after'], '1');
  assert.equal((await app.inject('/livez')).statusCode, 200);
});

test('an outage that is known is one line with code and sentence; what nobody expects is told with where it was', async (t) => {
  const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const lines: string[] = [];
  let fails: unknown = lost;
  const { app } = await scratchApi(t, {
    logger: createLog({ level: 'warn', write: (line) => lines.push(line) }),
    ready: async () => {
      throw fails;
    },
    outage: (error) => (error === lost ? 'unavailable' : null),
  });
  const told = async (error: unknown) => {
    fails = error;
    lines.length = 0;
    await app.inject('/readyz');
    assert.equal(lines.length, 1);
    const { level, code, message, problem } = JSON.parse(lines[0]!) as Record<string, string>;
    return [level, code, message, problem, lines[0]!.includes('stack')];
  };
  const away = new PlinthError('unavailable', 'Redis is away.');
  assert.deepEqual(await told(away), ['warn', 'unavailable', 'Redis is away.', undefined, false]);
  const around = new PlinthError('unavailable', 'Credits wait.', {}, { cause: lost });
  assert.deepEqual(await told(around), ['warn', 'unavailable', 'Credits wait.', undefined, false]);
  const [level, code, message, problem, stack] = await told(lost);
  assert.deepEqual([level, code, problem, stack], ['warn', 'unavailable', 'Error: read ECONNRESET', false]);
  assert.match(String(message), /A store that this needs is away/);
  const strange = new PlinthError('unavailable', 'Odd.', {}, { cause: new TypeError('x is no function') });
  assert.deepEqual(await told(strange), ['warn', 'unavailable', 'Odd.', undefined, true]);
});

test('a store that drops its connection is no fault of the request, and says when to come again', async (t) => {
  const lost = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  let outage: 'unavailable' | 'overloaded' | null = null;
  const { app } = await scratchApi(t, {
    ready: async () => {
      throw lost;
    },
    outage: (error) => (error === lost ? outage : null),
  });
  const told = async () => {
    const { statusCode, headers, payload } = await app.inject('/readyz');
    const { code, detail } = JSON.parse(payload) as Problem;
    assert.doesNotMatch(detail, /ECONNRESET/);
    return [statusCode, code, headers['retry-after']];
  };
  assert.deepEqual(await told(), [500, 'internal', undefined]);
  outage = 'unavailable';
  assert.deepEqual(await told(), [503, 'unavailable', '1']);
  outage = 'overloaded';
  assert.deepEqual(await told(), [503, 'overloaded', '1']);
});
