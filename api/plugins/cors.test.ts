import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { scratchApi } from '../../test/support/scratch-api.ts';
import { routesOf } from '../route.ts';

const defineRoute = routesOf<null>();
const openRoutes = (['POST', 'GET'] as const).map((method) =>
  defineRoute({
    method,
    path: '/v1/open/{id}',
    operationId: `${method.toLowerCase()}Open`,
    summary: 'Open',
    description: 'To pages of any origin.',
    tag: 'Keys',
    access: { permission: 'keys:read' },
    cors: true,
    params: z.strictObject({ id: z.string() }),
    responses: { 200: { description: 'It.', schema: z.strictObject({ id: z.string() }) } },
    handler: ({ params }) => ({ status: 200, body: { id: params.id } }),
  }),
);
const origin = { origin: 'https://shop.example' };

test('a preflight is answered without a credential, with what the clients send and may read', async (t) => {
  const { app } = await scratchApi(t, {}, openRoutes);
  const { statusCode, headers, payload } = await app.inject({
    method: 'OPTIONS',
    url: '/v1/open/a',
    headers: { ...origin, 'access-control-request-method': 'POST' },
  });
  assert.equal(statusCode, 204);
  assert.equal(payload, '');
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['access-control-allow-methods'], 'GET, HEAD, POST');
  assert.equal(headers.allow, 'GET, HEAD, OPTIONS, POST');
  const allowed = String(headers['access-control-allow-headers']).split(', ');
  for (const name of ['If-None-Match', 'Authorization', 'X-API-Key', 'Content-Type', 'Last-Event-ID']) {
    assert.ok(allowed.includes(name), name);
  }
  assert.equal(headers['access-control-allow-credentials'], undefined);
});

test('every answer of an open route may be read, refusals too', async (t) => {
  const { app } = await scratchApi(t, {}, openRoutes);
  for (const [authorization, status] of [
    ['Bearer good-key', 200],
    ['Bearer nope', 401],
  ] as const) {
    const answer = await app.inject({ url: '/v1/open/a', headers: { ...origin, authorization } });
    assert.equal(answer.statusCode, status);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['access-control-expose-headers'], 'ETag, Retry-After');
  }
  const refused = await app.inject({ method: 'PUT', url: '/v1/open/a' });
  assert.equal(refused.statusCode, 405);
  assert.equal(refused.headers.allow, 'GET, HEAD, OPTIONS, POST');
});

test('other routes stay closed to pages of other origins', async (t) => {
  const { app } = await scratchApi(t, {}, openRoutes);
  const answers = await Promise.all([
    app.inject({ url: '/v1/widgets/a', headers: { ...origin, authorization: 'Bearer good-key' } }),
    app.inject({ method: 'OPTIONS', url: '/v1/widgets/a', headers: origin }),
  ]);
  for (const { headers } of answers) {
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('access-control-')),
      [],
    );
  }
});
