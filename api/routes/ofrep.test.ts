import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import { systemClock } from '../../infra/system-clock.ts';
import { type Position, positionToken } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { type OfrepAppOptions, ofrepApp } from '../../test/support/ofrep-app.ts';
import { ofrepFault } from '../../test/support/ofrep-rules.ts';
import { answerChecker } from '../../test/support/openapi-answers.ts';
import { operationsOf, resolve } from '../../test/support/openapi-operations.ts';
import { EPOCH } from '../../test/support/scratch-api.ts';
import { servedEnvironment } from '../../test/support/served-flags.ts';
import { clientLimit } from '../flags/client-limit.ts';
import type { FlagsReader } from '../flags/flags-use.ts';
import type { ServedEnvironment } from '../flags/served-environment.ts';
import { openApiDocument } from '../openapi/document.ts';
import { ofrepRoutes } from './ofrep.ts';

const BULK = '/ofrep/v1/evaluate/flags';
const variants = { on: true, off: false };
const environment = servedEnvironment({
  plain: { variants },
  secret: { variants, clientVisible: false },
  'code-default': { variants, settings: { fallthrough: { codeDefault: true } } },
});
const document = openApiDocument(ofrepRoutes as never, '0.0.0');
const operations = operationsOf(document);
const check = answerChecker(document);

interface Options extends OfrepAppOptions {
  readonly environment?: ServedEnvironment;
}

function ofrep(t: { after(fn: () => unknown): void }, options: Options = {}) {
  let window = 1;
  const streams = {
    window: () => window,
    of: ({ use }: FlagsReader, at: number) => [
      { type: 'sse' as const, endpoint: { requestUri: `/changes/${use}/${at}` } },
    ],
  };
  const running = ofrepApp(t, options.environment ?? environment, { streams, ...options });
  const { app, serving } = running;
  /** Whatever it answers is in the form of OFREP, and as the document has it. */
  const ask = async (url: string, more: InjectOptions = {}, key: string | null = 'server-key') => {
    const answer = await app.inject({
      method: 'POST',
      url,
      payload: { context: { targetingKey: 'jane' } },
      ...more,
      headers: { ...(key !== null && { 'x-api-key': key }), ...more.headers },
    });
    const endpoint = /flags\/[^/?]/.test(url) ? 'single' : 'bulk';
    const { statusCode: status, payload } = answer;
    const type = String(answer.headers['content-type'] ?? '');
    const what = `${url} → ${status} ${payload}`;
    assert.equal(ofrepFault(endpoint, status, payload), null, what);
    const path = endpoint === 'single' ? `${BULK}/{key}` : BULK;
    if (payload === '') assert.equal(type, '', what);
    else check(operations.find((one) => one.path === path)!, status, type, payload, what);
    return answer;
  };
  const nextWindow = () => {
    window += 1;
  };
  return { app, ask, serving, nextWindow, running };
}

test('one flag is evaluated, by a bearer token or an API key, with whatever else the request holds', async (t) => {
  const { ask } = ofrep(t);
  const answers = [
    await ask(`${BULK}/plain`),
    await ask(`${BULK}/plain`, { headers: { authorization: 'Bearer server-key' } }, null),
    await ask(`${BULK}/plain?who=knows&who=twice`, { payload: { context: {}, more: [1] } }),
    await ask(`${BULK}/pl%61in`, { payload: {} }),
  ];
  for (const answer of answers) {
    assert.equal(answer.statusCode, 200, answer.payload);
    assert.deepEqual(answer.json(), { key: 'plain', value: true, reason: 'STATIC', variant: 'on' });
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  }
});

test('a request without a body is one without a context', async (t) => {
  const { app } = ofrep(t);
  const headers = { 'x-api-key': 'server-key' };
  const answer = await app.inject({ method: 'POST', url: `${BULK}/plain`, headers });
  assert.equal(answer.statusCode, 200, answer.payload);
});

test('all flags are evaluated, with a slash at the end too', async (t) => {
  const { ask } = ofrep(t);
  for (const url of [BULK, `${BULK}/`, `${BULK}/?flagConfigEtag=x&flagConfigLastModified=7&more=1`]) {
    const answer = await ask(url);
    assert.equal(answer.statusCode, 200, answer.payload);
    const { flags, eventStreams } = answer.json<{ flags: { key: string }[]; eventStreams: unknown[] }>();
    assert.deepEqual(
      flags.map(({ key }) => key),
      ['plain', 'secret', 'code-default'],
    );
    assert.deepEqual(eventStreams, [{ type: 'sse', endpoint: { requestUri: '/changes/flags-server/1' } }]);
    assert.match(String(answer.headers.etag), /^"/);
  }
});

test('a client key sees no flag that is not for clients, alone or among all', async (t) => {
  const { ask } = ofrep(t);
  const all = await ask(BULK, {}, 'client-key');
  assert.doesNotMatch(all.payload, /secret/);
  const one = await ask(`${BULK}/secret`, {}, 'client-key');
  assert.deepEqual([one.statusCode, one.json<{ errorCode: string }>().errorCode], [404, 'FLAG_NOT_FOUND']);
});

test('flags without a value are left out on demand', async (t) => {
  const { ask } = ofrep(t);
  assert.doesNotMatch((await ask(`${BULK}?omitCodeDefaults=true`)).payload, /code-default/);
  assert.match((await ask(`${BULK}?omitCodeDefaults=false`)).payload, /code-default/);
  assert.equal((await ask(`${BULK}?omitCodeDefaults=yes`)).statusCode, 400);
});

test('a tag that still holds answers 304 without a body, and evaluates nothing', async (t) => {
  const { ask, serving, nextWindow } = ofrep(t);
  const first = await ask(BULK);
  const etag = String(first.headers.etag);
  const flags = [...environment.flags].map(([key, flag]) => {
    const evaluate = () => assert.fail('it was evaluated');
    return [key, { ...flag, program: { ...flag.program, evaluate } }] as const;
  });
  serving.environment = { ...environment, flags: new Map(flags) };
  for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const again = await ask(BULK, { headers: { 'if-none-match': tags } });
    assert.deepEqual([again.statusCode, again.payload, again.headers.etag], [304, '', etag]);
  }
  // The throwing programs are seen where anything differs.
  for (const [url, more, key] of [
    [BULK, { payload: { context: { targetingKey: 'joe' } } }, 'server-key'],
    [BULK, {}, 'client-key'],
    [`${BULK}?omitCodeDefaults=true`, {}, 'server-key'],
  ] as const) {
    const other = await ask(url, { ...more, headers: { 'if-none-match': etag } }, key);
    assert.equal(other.statusCode, 500);
  }
  serving.environment = environment;
  nextWindow();
  assert.equal((await ask(BULK, { headers: { 'if-none-match': etag } })).statusCode, 200);
});

test('a change answers 200 with another tag', async (t) => {
  const { ask, serving } = ofrep(t);
  const etag = String((await ask(BULK)).headers.etag);
  serving.environment = { ...environment, position: '00000000000000000008' as Position };
  const changed = await ask(BULK, { headers: { 'if-none-match': etag } });
  assert.equal(changed.statusCode, 200);
  assert.notEqual(changed.headers.etag, etag);
});

test('where a flag reads the clock there is no tag and no 304', async (t) => {
  const logic = { if: [{ '>': [{ var: '$flagd.timestamp' }, 1] }, 'on', 'off'] };
  const { ask } = ofrep(t, {
    environment: servedEnvironment({
      timed: { variants, settings: { fallthrough: { logic, otherwise: null } } },
    }),
  });
  for (const headers of [{}, { 'if-none-match': '*' }]) {
    const answer = await ask(BULK, { headers });
    assert.deepEqual([answer.statusCode, answer.headers.etag], [200, undefined]);
    assert.equal(answer.json<{ flags: { value: boolean }[] }>().flags[0]!.value, true);
  }
});

test('flagConfigEtag asks for the position that it carries, Plinth-Position too, and the later one counts', async (t) => {
  const { ask, serving } = ofrep(t);
  const later = '00000000000000000009' as Position;
  const etag = String((await ask(BULK)).headers.etag);
  const header = { 'plinth-position': positionToken(EPOCH, later) };
  const other = '00000000-0000-4000-8000-000000000000.00000000000000000009';
  serving.asked.length = 0;
  await ask(`${BULK}?flagConfigEtag=${encodeURIComponent(etag)}`);
  await ask(`${BULK}?flagConfigEtag=${encodeURIComponent(etag)}`, { headers: header });
  await ask(`${BULK}?flagConfigEtag=${encodeURIComponent(`"${positionToken(EPOCH, later)}"`)}`);
  await ask(`${BULK}?flagConfigEtag=${other}`);
  await ask(`${BULK}?flagConfigEtag=%22nonsense`);
  await ask(`${BULK}/plain`, { headers: header });
  assert.deepEqual(serving.asked, [environment.position, later, later, undefined, undefined, later]);
});

test('a set that does not get there in time answers 503, and one of another history 410', async (t) => {
  const { ask } = ofrep(t, {
    served: {
      of: async () => {
        throw new PlinthError('projection_behind', 'It is behind.');
      },
    },
  });
  for (const url of [BULK, `${BULK}/plain`]) {
    const answer = await ask(url);
    assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '1']);
    const headers = { 'plinth-position': '00000000-0000-4000-8000-000000000000.00000000000000000009' };
    assert.equal((await ask(url, { headers })).statusCode, 410);
  }
});

test('whatever goes wrong is told in the form of OFREP, with what a client needs to go on', async (t) => {
  const { ask, running } = ofrep(t);
  const json = { 'content-type': 'application/json' };
  const cases: [string, number, string | undefined, InjectOptions, (string | null)?][] = [
    ['no JSON', 400, 'PARSE_ERROR', { headers: json, payload: '{"context":' }],
    ['not UTF-8', 400, 'PARSE_ERROR', { headers: json, payload: Buffer.from([0x22, 0xff, 0x22]) }],
    ['a depth bomb', 400, 'INVALID_CONTEXT', { headers: json, payload: '['.repeat(40) }],
    ['a prototype', 400, 'INVALID_CONTEXT', { headers: json, payload: '{"context":{"__proto__":{"a":1}}}' }],
    ['a context that is none', 400, 'INVALID_CONTEXT', { payload: { context: [] } }],
    ['too many attributes', 400, 'INVALID_CONTEXT', { payload: { context: { a: Array(501).fill(0) } } }],
    ['an odd position', 400, 'GENERAL', { headers: { 'plinth-position': 'x' } }],
    ['another type', 415, undefined, { headers: { 'content-type': 'text/plain' }, payload: 'x' }],
    ['too large', 413, undefined, { payload: { context: { a: 'x'.repeat(70_000) } } }],
    ['no JSON wanted', 406, undefined, { headers: { accept: 'text/html' } }],
    ['another method', 405, undefined, { method: 'PUT' }],
    ['a long key', 414, undefined, { query: { a: 'x'.repeat(9_000) } }],
    ['no key', 401, undefined, {}, null],
    ['an odd key', 401, undefined, { headers: { 'x-api-key': 'a b' } }],
    ['an unknown key', 401, undefined, {}, 'nobodys-key'],
    ['a suspended tenant', 403, undefined, {}, 'suspended'],
    ['a key that cannot be judged', 503, undefined, {}, 'stale'],
  ];
  for (const url of [BULK, `${BULK}/plain`]) {
    for (const [what, status, errorCode, request, key] of cases) {
      const answer = await ask(url, request, key);
      assert.equal(answer.statusCode, status, `${what}: ${answer.payload}`);
      if (errorCode !== undefined) {
        const told = answer.json<{ key?: string; errorCode: string; errorDetails: string }>();
        assert.equal(told.errorCode, errorCode, `${what}: ${answer.payload}`);
        assert.ok(told.errorDetails.length > 0, what);
        assert.equal(told.key, url === BULK ? undefined : 'plain', what);
      }
      assert.equal(answer.headers['x-request-id'] !== undefined, true, what);
      if (status === 503) assert.equal(answer.headers['retry-after'], '1');
      if (status === 405) assert.match(String(answer.headers.allow), /POST/);
    }
    running.busySeconds = 7;
    const busy = await ask(url);
    assert.deepEqual([busy.statusCode, busy.headers['retry-after']], [429, '7']);
    running.busySeconds = null;
  }
});

test('an address under /ofrep/ that is none, or cannot be read, is told in the same form', async (t) => {
  const { app } = ofrep(t);
  for (const [url, status] of [
    ['/ofrep/v1/configuration', 404],
    [`${BULK}/%zz`, 400],
    [`${BULK}/${'x'.repeat(400)}`, 414],
    [`${BULK}/plain/`, 404],
  ] as const) {
    const answer = await app.inject({ method: 'POST', url, headers: { 'x-api-key': 'server-key' } });
    assert.equal(answer.statusCode, status, url);
    assert.match(String(answer.headers['content-type']), /^application\/json/, url);
    assert.ok(answer.json<{ errorDetails: string }>().errorDetails.length > 0, url);
    if (status === 400) assert.equal(answer.json<{ key: string }>().key, '%zz');
  }
});

test('what one address asks with a client key is limited, and a server key is not', async (t) => {
  const { ask } = ofrep(t, { clientLimit: clientLimit(new InProcessLimiter(systemClock), 2) });
  const asked = async (key: string) => {
    const statuses: number[] = [];
    for (const url of [BULK, `${BULK}/plain`, `${BULK}/`, BULK]) {
      const answer = await ask(url, {}, key);
      statuses.push(answer.statusCode);
      if (answer.statusCode === 429) assert.ok(Number(answer.headers['retry-after']) >= 1);
    }
    return statuses;
  };
  assert.deepEqual(await asked('client-key'), [200, 200, 429, 429]);
  assert.deepEqual(await asked('server-key'), [200, 200, 200, 200]);
});

test('what could not be read again is served with its age', async (t) => {
  const { ask } = ofrep(t, { served: { of: async () => environment }, ageSeconds: 90 });
  const [one, all] = [await ask(`${BULK}/plain`), await ask(BULK)];
  assert.deepEqual([one.statusCode, one.headers.age], [200, '90']);
  assert.deepEqual([all.statusCode, all.headers.age], [200, '90']);
  const fresh = ofrep(t, { served: { of: async () => environment } });
  assert.equal((await fresh.ask(BULK)).headers.age, undefined);
});

test('a key whose environment has not been read yet is told to come again', async (t) => {
  const { ask } = ofrep(t);
  for (const url of [BULK, `${BULK}/plain`]) {
    const answer = await ask(url, {}, 'early-key');
    assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [503, '1']);
  }
});

test('pages of any origin may ask, and read why they are refused', async (t) => {
  const { app, ask } = ofrep(t);
  for (const url of [BULK, `${BULK}/`, `${BULK}/plain`]) {
    const preflight = await app.inject({
      method: 'OPTIONS',
      url,
      headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
    });
    assert.equal(preflight.statusCode, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    assert.match(String(preflight.headers['access-control-allow-headers']), /If-None-Match.*X-API-Key/);
    for (const key of ['server-key', 'nobodys-key']) {
      const { headers } = await ask(url, {}, key);
      assert.equal(headers['access-control-allow-origin'], '*');
      assert.match(String(headers['access-control-expose-headers']), /ETag, Retry-After/);
    }
  }
});

test('the document of these routes holds together, and its examples are what their schemas take', () => {
  for (const route of ofrepRoutes) {
    assert.ok(!route.body!.safeParse(route.bodyExample).error);
    for (const { schema, example } of Object.values(route.responses)) {
      if (schema) assert.ok(!schema.safeParse(example).error, JSON.stringify(example));
    }
  }
  for (const operation of operations) {
    assert.equal(operation.isPublic, false);
    for (const response of Object.values(operation.responses)) resolve(document, response);
  }
  const schemes = Object.keys(document.components.securitySchemes as object);
  assert.deepEqual(schemes, ['managementKey', 'flagsKey', 'flagsApiKey']);
});
