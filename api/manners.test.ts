/** The manners of the API over the whole house: what a client relies on from one request to the next. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { answerChecker } from '../test/support/openapi-answers.ts';
import { type Operation, operationsOf } from '../test/support/openapi-operations.ts';
import { type RunningApp, runningApp } from '../test/support/running-app.ts';

interface KeyBody {
  readonly id: string;
  readonly version: number;
  readonly name: string | null;
  readonly status: string;
}

describe('manners', () => {
  let running: RunningApp;
  const cleanups: (() => unknown)[] = [];
  before(async () => {
    running = await runningApp({ after: (fn) => cleanups.push(fn) });
  });
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  const ask = (
    method: InjectOptions['method'],
    url: string,
    payload?: object,
    headers = {},
    secret?: string,
  ) =>
    running.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${secret ?? running.admin.secret}`, ...headers },
      ...(payload === undefined ? {} : { payload }),
    });

  test('a read that carries the position of a write shows that write, every time', async () => {
    for (let i = 0; i < 20; i++) {
      const made = await ask('POST', '/v1/keys', { name: `key ${i}` });
      const position = String(made.headers['plinth-position']);
      const { key } = made.json<{ key: KeyBody }>();
      const read = await ask('GET', `/v1/keys/${key.id}`, undefined, { 'plinth-position': position });
      assert.equal(read.statusCode, 200, read.payload);
      assert.equal(read.json<KeyBody>().name, `key ${i}`);
      assert.ok(String(read.headers['plinth-position']) >= position);
    }
  });

  test('a day of usage never begins before the years that an instant can tell', async () => {
    const begun = await ask('GET', '/v1/usage?to=0000-01-01T05:00:00Z');
    assert.equal(begun.statusCode, 200, begun.payload);
    assert.equal(begun.json<{ from: string }>().from, '0000-01-01T00:00:00.000Z');
    const none = await ask('GET', '/v1/usage?to=0000-01-01T00:00:00Z');
    assert.equal(none.statusCode, 400, none.payload);
  });

  test('what is missing is told as missing, a wrong type with the types that are taken, a size with its bound', async () => {
    const faults = async (payload: object) => {
      const answer = await ask('POST', '/v1/keys/verify', payload);
      assert.equal(answer.statusCode, 400, answer.payload);
      return answer.json<{ errors: { field: string; message: string }[] }>().errors;
    };
    assert.deepEqual(await faults({ keyId: 'key_AAAAAAAAAAAA' }), [
      { field: 'asOf', message: 'is required' },
    ]);
    const [scopes] = await faults({ key: 'k', scopes: 5 });
    assert.equal(scopes!.field, 'scopes');
    assert.match(scopes!.message, /^must be string or /);
    const large = await ask('POST', '/v1/keys', { name: 'a'.repeat(70_000) });
    assert.equal(large.statusCode, 413);
    assert.match(large.json<{ detail: string }>().detail, /65536 bytes/);
  });

  test('a repeated command answers the original, without the secret, and says so', async () => {
    const headers = { 'idempotency-key': 'order-17' };
    const first = await ask('POST', '/v1/keys', { name: 'once' }, headers);
    const again = await ask('POST', '/v1/keys', { name: 'once' }, headers);
    assert.equal(first.statusCode, 201);
    assert.equal(again.statusCode, 201);
    const [a, b] = [first, again].map((r) =>
      r.json<{ key: KeyBody; secret: string | null; secretShown: boolean }>(),
    );
    assert.equal(a!.key.id, b!.key.id);
    assert.equal(a!.secretShown, true);
    assert.equal(b!.secret, null);
    assert.equal(b!.secretShown, false);
    assert.equal(first.headers['idempotency-replayed'], undefined);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.equal(first.headers['plinth-position'], again.headers['plinth-position']);
    const other = await ask('POST', '/v1/keys', { name: 'another' }, headers);
    assert.equal(other.statusCode, 422);
    assert.equal(other.json<{ code: string }>().code, 'idempotency_mismatch');
  });

  test('the same idempotency key of another caller is another command', async () => {
    const headers = { 'idempotency-key': 'shared' };
    const ours = await ask('POST', '/v1/keys', { name: 'mine' }, headers);
    const theirs = await ask('POST', '/v1/keys', { name: 'mine' }, headers, running.other.secret);
    assert.equal(theirs.statusCode, 201);
    assert.notEqual(ours.json<{ key: KeyBody }>().key.id, theirs.json<{ key: KeyBody }>().key.id);
  });

  test('If-Match lets one of two writers through', async () => {
    const { id } = await running.issue({ name: 'contested' });
    const etag = '"1"';
    const first = await ask('PATCH', `/v1/keys/${id}`, { name: 'first' }, { 'if-match': etag });
    const second = await ask('PATCH', `/v1/keys/${id}`, { name: 'second' }, { 'if-match': etag });
    assert.equal(first.statusCode, 200, first.payload);
    assert.equal(first.headers.etag, '"2"');
    assert.equal(second.statusCode, 412);
    assert.equal(second.json<{ code: string }>().code, 'precondition_failed');
    const third = await ask('PATCH', `/v1/keys/${id}`, { name: 'third' }, { 'if-match': '*' });
    assert.equal(third.json<KeyBody>().name, 'third');
  });

  test('a cursor leads through every key once, and only with its own filters and tenant', async () => {
    const owner = 'paged-owner';
    const made = new Set<string>();
    let position = '';
    for (let i = 0; i < 7; i++) {
      const answer = await ask('POST', '/v1/keys', { ownerId: owner });
      made.add(answer.json<{ key: KeyBody }>().key.id);
      position = String(answer.headers['plinth-position']);
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    let first: string | null = null;
    do {
      const url: string = `/v1/keys?ownerId=${owner}&limit=3${cursor === null ? '' : `&cursor=${cursor}`}`;
      const page = (await ask('GET', url, undefined, { 'plinth-position': position })).json<{
        keys: KeyBody[];
        nextCursor: string | null;
      }>();
      seen.push(...page.keys.map((key) => key.id));
      cursor = page.nextCursor;
      first ??= cursor;
    } while (cursor !== null);
    assert.deepEqual(new Set(seen), made);
    assert.equal(seen.length, made.size);
    for (const [url, secret] of [
      [`/v1/keys?ownerId=someone-else&cursor=${first}`, running.admin.secret],
      [`/v1/keys?ownerId=${owner}&cursor=${first}`, running.other.secret],
      [`/v1/keys?ownerId=${owner}&cursor=${first!.slice(0, -2)}AA`, running.admin.secret],
    ] as const) {
      const refused = await ask('GET', url, undefined, {}, secret);
      assert.equal(refused.statusCode, 400, url);
      assert.equal(refused.json<{ code: string }>().code, 'invalid_cursor');
    }
  });

  test('a key is told as it was, and its history tells how it came to be', async () => {
    const { id } = await running.issue({ name: 'before', scopes: ['a:read'] });
    const renamed = await ask('PATCH', `/v1/keys/${id}`, { name: 'after' });
    const history = await running.get(`/v1/keys/${id}/history`);
    const changes = history.changes as { type: string; position: string; changes: { field: string }[] }[];
    assert.deepEqual(
      changes.map((c) => c.type),
      ['key.issued', 'key.renamed'],
    );
    const then = await running.get(`/v1/keys/${id}?asOf=${changes[0]!.position}`);
    assert.equal(then.name, 'before');
    assert.equal(
      (await running.get(`/v1/keys/${id}?asOf=${renamed.headers['plinth-position']}`)).name,
      'after',
    );
    assert.equal((await ask('GET', `/v1/keys/${id}?asOf=2020-01-01T00:00:00Z`)).statusCode, 404);
    const page = await running.get(`/v1/keys/${id}/history?limit=1`);
    const rest = await running.get(`/v1/keys/${id}/history?limit=1&cursor=${page.nextCursor}`);
    assert.equal((rest.changes as { type: string }[])[0]!.type, 'key.renamed');
  });

  test('a past verdict is explained by key id, and another tenant learns nothing by it', async () => {
    const { id } = await running.issue({ scopes: ['a:read'] });
    const revoked = await ask('POST', `/v1/keys/${id}/revoke`, { reason: 'test' });
    const asOf = String(revoked.headers['plinth-position']);
    const told = await running.post('/v1/keys/verify', { keyId: id, asOf });
    assert.equal(told.code, 'REVOKED');
    assert.ok((told.checks as { name: string; passed: boolean }[]).some((c) => !c.passed));
    const foreign = await ask('POST', '/v1/keys/verify', { keyId: id, asOf }, {}, running.other.secret);
    assert.equal(foreign.json<{ code: string }>().code, 'NOT_FOUND');
    assert.ok(!foreign.payload.includes('a:read'));
  });

  test('a position of another history answers 410 wherever it is sent', async () => {
    const gone = '00000000-0000-4000-8000-000000000000.00000000000000000001';
    const header = await ask('GET', '/v1/keys', undefined, { 'plinth-position': gone });
    assert.equal(header.statusCode, 410);
    const asOf = await ask('GET', `/v1/keys/${running.key.id}?asOf=${gone}`);
    assert.equal(asOf.statusCode, 410);
    assert.equal(asOf.json<{ code: string }>().code, 'epoch_gone');
  });

  test('a caller cannot grant what it does not hold', async () => {
    const { secret } = await running.issue({ use: 'management', permissions: ['keys:write'] });
    await running.until(async () => (await running.status(secret)) === 200);
    const wanted = { use: 'management', permissions: ['tenants:write'] };
    const refused = await ask('POST', '/v1/keys', wanted, {}, secret);
    assert.equal(refused.statusCode, 403);
    assert.equal(refused.json<{ code: string }>().code, 'permission_escalation');
  });

  test('every example body of the document is taken by a running house, and answers what it says', async () => {
    const check = answerChecker(running.document);
    const { id } = await running.issue({ ownerId: 'example-owner' });
    let taken = 0;
    for (const operation of operationsOf(running.document)) {
      // What is parked, or the text of a key, no example can know.
      if (operation.body === null || /parked/.test(operation.path)) continue;
      if (/verify|leaked|admin-keys|suspend|resume|\{request\}/.test(operation.path)) continue;
      const url = operation.path
        .replace('{id}', id)
        .replace('{ownerId}', 'example-owner')
        .replace(/\{(\w+)\}/g, (_, name: string) => exampleOf(operation, name));
      if (/\/revoke$/.test(operation.path) && operation.path.includes('{id}')) continue;
      const secret = operation.forFlagsKeys ? running.flagsKey.secret : running.admin.secret;
      const answer = await ask(operation.method, url, operation.bodyExample as object, {}, secret);
      assert.ok(answer.statusCode < 300, `${operation.operationId}: ${answer.payload}`);
      const what = operation.operationId;
      check(operation, answer.statusCode, String(answer.headers['content-type']), answer.payload, what);
      taken++;
      if (operation.operationId === 'revokeOwnerKeys') {
        const revoked = await ask('GET', `/v1/keys/${id}`, undefined, {
          'plinth-position': answer.headers['plinth-position'],
        });
        assert.equal(revoked.json<KeyBody>().status, 'revoked');
      }
    }
    assert.ok(taken >= 10, `${taken}`);
  });
});

/** Of a parameter of the path: what the document shows, which a running house has. */
function exampleOf({ parameters }: Operation, name: string): string {
  const { examples } = parameters.find((parameter) => parameter.name === name)!.schema;
  return String((examples as readonly unknown[])[0]);
}
