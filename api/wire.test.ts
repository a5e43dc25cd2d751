import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { bodyOf, rawHttp, statusOf } from '../test/support/raw-http.ts';
import { scratchApi } from '../test/support/scratch-api.ts';

const close = 'connection: close\r\n';
const auth = 'authorization: Bearer good-key\r\n';

test('what is no sane HTTP is answered with a problem and the connection is closed', async (t) => {
  const { app } = await scratchApi(t);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const cases: [string, string, number, string][] = [
    ['no HTTP at all', '\u0016\u0003\u0001\r\n\r\n', 400, 'invalid_request'],
    ['an unknown method', `FROB / HTTP/1.1\r\nhost: a\r\n${close}\r\n`, 400, 'invalid_request'],
    [
      'a header flood',
      `GET / HTTP/1.1\r\nhost: a\r\n${'x: '.padEnd(200, 'y')}\r\n`.padEnd(20_000, 'z'),
      431,
      'headers_too_large',
    ],
    [
      'two lengths',
      `POST /v1/widgets HTTP/1.1\r\nhost: a\r\n${auth}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
      400,
      'invalid_request',
    ],
    [
      'a length and chunks',
      `POST /v1/widgets HTTP/1.1\r\nhost: a\r\n${auth}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    [
      'a bad chunk',
      `POST /v1/widgets HTTP/1.1\r\nhost: a\r\n${auth}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'invalid_request',
    ],
    ['no host', `GET /livez HTTP/1.1\r\n${close}\r\n`, 400, 'invalid_request'],
    [
      'an odd expectation',
      `GET /v1/nothing HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n${close}\r\n`,
      404,
      'not_found',
    ],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'method_not_allowed'],
    [
      'an upgrade',
      `GET /v1/nothing HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n`,
      404,
      'not_found',
    ],
  ];
  for (const [what, bytes, status, code] of cases) {
    const answer = await rawHttp(
      port,
      bytes,
      (text) => bodyOf(text.replace(/\r\nconnection: keep-alive/i, '')) !== undefined,
    );
    assert.equal(statusOf(answer), status, `${what}: ${answer.slice(0, 200)}`);
    assert.equal(bodyOf(answer)?.code, code, what);
    assert.match(answer, /content-type: application\/problem\+json/i, what);
  }
});

test('a body that ends before its length does not occupy the server', async (t) => {
  const { app, observed } = await scratchApi(t);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const bytes = `POST /v1/widgets HTTP/1.1\r\nhost: a\r\n${auth}content-type: application/json\r\ncontent-length: 50\r\n\r\n{"name":"a"}`;
  const longer = `POST /v1/widgets HTTP/1.1\r\nhost: a\r\n${auth}${close}content-type: application/json\r\ncontent-length: 2\r\n\r\n{"name":"a"}`;
  const { connect } = await import('node:net');
  const socket = connect({ port, host: '127.0.0.1' });
  await new Promise<void>((resolve) => socket.end(bytes, resolve));
  const answer = await rawHttp(port, longer);
  assert.equal(statusOf(answer), 400);
  assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200);
  assert.ok(observed.every(({ status }) => status < 500));
  socket.destroy();
});

test('closing lets the request in flight end and does not wait for idle keep-alive clients', async (t) => {
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const { app } = await scratchApi(t, {
    metrics: async () => {
      entered.resolve();
      await gate.promise;
      return { contentType: 'text/plain', body: 'late\n' };
    },
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const get = (path: string) =>
    new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
      request({ port, host: '127.0.0.1', path, agent }, (response) => {
        response.resume().on('end', () => {
          resolve({ status: response.statusCode!, connection: response.headers.connection });
        });
      })
        .on('error', reject)
        .end();
    });
  await get('/livez');
  const late = get('/metrics');
  await entered.promise;
  const closed = app.close();
  gate.resolve();
  assert.equal((await late).status, 200);
  await closed;
  await assert.rejects(get('/livez'));
});
