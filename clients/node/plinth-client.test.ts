import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { PlinthClient, PlinthClientError } from './index.ts';

type Reply = {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  hang?: boolean;
  drop?: boolean;
};

async function serverOf(t: TestContext, replies: Reply[]) {
  const seen: {
    method: string;
    path: string;
    headers: IncomingMessage['headers'];
    body: Record<string, unknown>;
  }[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    seen.push({
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      body: text ? JSON.parse(text) : {},
    });
    const reply = replies.length > 1 ? replies.shift()! : replies[0]!;
    if (reply.drop) return void request.socket.destroy();
    if (reply.hang) return;
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
    response.end(reply.body === undefined ? '' : JSON.stringify(reply.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, seen };
}

const ok: Reply = { status: 200, body: { valid: true, code: 'VALID' } };

test('a verify whose reply was lost is sent again under the same request id', async (t) => {
  const { url, seen } = await serverOf(t, [
    { status: 0, drop: true },
    { status: 503, body: { code: 'verify_stale' } },
    ok,
  ]);
  const client = new PlinthClient({ url, key: 'k', deadlineMs: 60_000 });
  const answer = await client.verify({ key: 'secret' });
  assert.equal(answer.valid, true);
  assert.equal(seen.length, 3);
  assert.equal(new Set(seen.map((s) => s.body.requestId)).size, 1);
  assert.match(String(seen[0]!.body.requestId), /^[0-9a-f-]{36}$/);
});

test('a refusal is thrown with its code and fields, and is not retried', async (t) => {
  const problem = {
    code: 'invalid_request',
    detail: 'key: is required',
    requestId: 'r1',
    errors: [
      { field: 'key', message: 'is required' },
      { field: 'ip', message: 'is wrong' },
    ],
  };
  const { url, seen } = await serverOf(t, [{ status: 400, body: problem }]);
  const client = new PlinthClient({ url, key: 'k' });
  await assert.rejects(client.verify({ key: '' }), (error: PlinthClientError) => {
    assert.ok(error instanceof PlinthClientError);
    assert.deepEqual(
      [error.status, error.code, error.problem!.requestId, error.problem!.errors![0]!.field],
      [400, 'invalid_request', 'r1', 'key'],
    );
    assert.equal(error.message, 'key: is required ip: is wrong');
    return true;
  });
  assert.equal(seen.length, 1);
});

test('tries are bounded, and what is left unanswered says so without the credential', async (t) => {
  const { url, seen } = await serverOf(t, [{ status: 0, drop: true }]);
  const client = new PlinthClient({ url, key: 'very-secret', maxAttempts: 2, deadlineMs: 60_000 });
  await assert.rejects(client.verify({ key: 'their-secret' }), (error: Error) => {
    assert.equal((error as PlinthClientError).code, 'no_answer');
    assert.ok(!`${error.message}${error.stack}`.includes('secret'));
    return true;
  });
  assert.equal(seen.length, 2);
});

test('a server that hangs is left at the deadline', async (t) => {
  const { url } = await serverOf(t, [{ status: 0, hang: true }]);
  const client = new PlinthClient({ url, key: 'k', attemptTimeoutMs: 50, deadlineMs: 120 });
  await assert.rejects(client.verify({ key: 'x' }), (error: PlinthClientError) =>
    ['no_answer', 'deadline'].includes(error.code),
  );
});

test('a wait that Retry-After asks for beyond the deadline is not begun', async (t) => {
  const { url, seen } = await serverOf(t, [
    { status: 429, body: { code: 'too_many_requests' }, headers: { 'retry-after': '3600' } },
  ]);
  const client = new PlinthClient({ url, key: 'k' });
  await assert.rejects(
    client.issueKey({}),
    (error: PlinthClientError) => error.problem!.retryAfterSeconds === 3600,
  );
  assert.equal(seen.length, 1);
});

test('a write carries one idempotency key through its retries', async (t) => {
  const { url, seen } = await serverOf(t, [{ status: 502 }, { status: 201, body: { secretShown: true } }]);
  await new PlinthClient({ url, key: 'k', deadlineMs: 60_000 }).issueKey({ name: 'n' });
  assert.equal(seen.length, 2);
  assert.equal(seen[0]!.headers['idempotency-key'], seen[1]!.headers['idempotency-key']);
});

test('lists follow the cursor to the end', async (t) => {
  const { url, seen } = await serverOf(t, [
    { status: 200, body: { keys: [{ id: 'a' }, { id: 'b' }], nextCursor: 'c1' } },
    { status: 200, body: { keys: [{ id: 'c' }], nextCursor: null } },
  ]);
  const ids: string[] = [];
  for await (const key of new PlinthClient({ url, key: 'k' }).listKeys({ ownerId: 'o' })) ids.push(key.id);
  assert.deepEqual(ids, ['a', 'b', 'c']);
  assert.deepEqual(
    seen.map((s) => s.path),
    ['/v1/keys?ownerId=o&limit=100', '/v1/keys?ownerId=o&limit=100&cursor=c1'],
  );
});

test('an erasure is given the time that it takes, whatever is set for other calls', async () => {
  let calls = 0;
  const slow: typeof fetch = (_url, init) =>
    new Promise((resolve, reject) => {
      calls += 1;
      const answered = setTimeout(() => resolve(Response.json({ subject: 'ann' })), 300);
      init!.signal!.addEventListener('abort', () => {
        clearTimeout(answered);
        reject(init!.signal!.reason);
      });
    });
  const client = new PlinthClient({ key: 'k', fetch: slow, attemptTimeoutMs: 5, deadlineMs: 5 });
  await assert.rejects(client.getSubject('ann'), PlinthClientError);
  calls = 0;
  assert.equal((await client.eraseSubject('ann')).subject, 'ann');
  assert.equal(calls, 1);
});
