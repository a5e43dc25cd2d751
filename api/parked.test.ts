import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { keyStream } from '../commands/streams.ts';
import type { EventId } from '../schemas/envelope.ts';
import { type RunningApp, runningApp } from '../test/support/running-app.ts';

/** An event whose data no schema takes. */
const UNREADABLE = { type: 'key.scopes-changed', data: { scopes: 'none of a kind' } };

async function spoil(
  running: RunningApp,
  keyId: string,
  tenant: string,
  { type, data }: { type: string; data: object } = UNREADABLE,
): Promise<void> {
  const metadata = {
    tenant,
    actor: 'system:test',
    commandId: randomUUID(),
    requestDigest: null,
    correlationId: 'test',
    causationId: null,
    traceparent: null,
  };
  const appended = await running.log.append(keyStream(keyId), 'any', [
    {
      id: randomUUID() as EventId,
      type,
      schemaVersion: 1,
      timeMs: running.now(),
      nonce: randomBytes(16),
      data: Buffer.from(JSON.stringify(data)),
      metadata: Buffer.from(JSON.stringify(metadata)),
    },
  ]);
  assert.ok(appended.ok);
}

/** A field that was sealed for another event: it does not open in this one. */
async function renamedDamaged(running: RunningApp, keyId: string) {
  const [issued] = await running.log.readStream(keyStream(keyId), { through: 1 });
  const { ownerId, $personal } = JSON.parse(Buffer.from(issued!.data).toString()) as {
    ownerId: string;
    $personal: { name: object };
  };
  return { type: 'key.renamed', data: { ownerId, $personal: { name: $personal.name } } };
}

async function world(t: TestContext) {
  const cleanups: (() => unknown)[] = [];
  t.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const running = await runningApp({ after: (fn) => cleanups.push(fn) });
  const ask = (url: string, secret = running.admin.secret, payload?: object, headers = {}) =>
    running.app.inject({
      method: payload === undefined ? 'GET' : 'POST',
      url,
      headers: { authorization: `Bearer ${secret}`, ...headers },
      ...(payload === undefined ? {} : { payload }),
    });
  return { running, ask };
}

test('a parked key is told to its own tenant alone, and is whole again when its event is discarded', async (t) => {
  const { running, ask } = await world(t);
  const { id } = running.key;
  const stream = keyStream(id);
  const replay = '/v1/projections/keys/parked/replay';
  const early = await ask(replay, running.admin.secret, { stream });
  assert.equal(early.statusCode, 409, early.payload);

  await spoil(running, id, running.tenantId);
  await running.until(async () => (await ask(`/v1/keys/${id}`)).statusCode === 503);
  const own = await ask(`/v1/keys/${id}`);
  assert.equal(own.json<{ code: string }>().code, 'stream_parked');
  assert.equal((await ask(`/v1/keys/${id}`, running.other.secret)).statusCode, 404);
  const verdict = await ask('/v1/keys/verify', running.admin.secret, { key: running.key.secret });
  assert.equal(verdict.json<{ code: string }>().code, 'STREAM_PARKED');

  const disable = `/v1/keys/${id}/disable`;
  assert.equal((await ask(disable, running.admin.secret, {})).statusCode, 503, 'no command either');

  const { projections } = await running.get('/v1/projections');
  for (const { name, runBy, problem } of projections as { name: string; runBy: unknown; problem: unknown }[])
    assert.deepEqual([runBy, problem], [[`test-${process.pid}`], null], name);
  const { parked } = await running.get('/v1/projections/keys/parked');
  const [found] = parked as { stream: string; firstVersion: number; error: string }[];
  assert.equal(found!.stream, stream);
  assert.ok(!found!.error.includes('none of a kind'), 'the error quotes data');
  assert.equal((await ask('/v1/projections/nothing/parked')).statusCode, 404);

  const headers = { 'idempotency-key': 'discard-1' };
  const discard = '/v1/projections/keys/parked/discard';
  const body = { stream, version: found!.firstVersion };
  const asked = await ask(discard, running.admin.secret, body, headers);
  assert.equal(asked.statusCode, 202, asked.payload);
  // What lists read has parked the stream too, and is told so by itself.
  const listed = '/v1/projections/key_list/parked/discard';
  const list = await ask(listed, running.admin.secret, body, { 'idempotency-key': 'discard-2' });
  assert.equal(list.statusCode, 202, list.payload);
  await running.until(async () => (await ask(`/v1/keys/${id}`)).statusCode === 200);
  const again = await ask(discard, running.admin.secret, body, headers);
  assert.equal(again.statusCode, 202, again.payload);
  assert.equal(again.headers['idempotency-replayed'], 'true');

  // Commands, its history and its past leave the event out as the read model does.
  const disabled = await ask(disable, running.admin.secret, {});
  assert.equal(disabled.statusCode, 200, disabled.payload);
  const history = await ask(`/v1/keys/${id}/history`);
  assert.equal(history.statusCode, 200, history.payload);
  const then = await ask(`/v1/keys/${id}?asOf=${encodeURIComponent(new Date(running.now()).toISOString())}`);
  assert.equal(then.json<{ status: string }>().status, 'disabled', then.payload);
});

test('a personal field that does not open parks the key in the list alone: verify and commands go on', async (t) => {
  const { running, ask } = await world(t);
  const { id, secret } = running.key;
  const { admin } = running;
  const verify = async () =>
    (await ask('/v1/keys/verify', admin.secret, { key: secret })).json<{ code: string }>().code;
  const parked = async (projection: string) =>
    (await running.get(`/v1/projections/${projection}/parked`)).parked as { firstVersion: number }[];

  await spoil(running, id, running.tenantId, await renamedDamaged(running, id));
  await running.until(async () => (await parked('key_list')).length === 1);
  const own = await ask(`/v1/keys/${id}`);
  assert.equal(own.json<{ code: string }>().code, 'stream_parked');
  assert.equal(await verify(), 'VALID');

  // What verify finds valid can be stopped, although its name cannot be read.
  const disabled = await ask(`/v1/keys/${id}/disable`, admin.secret, {});
  assert.equal(disabled.statusCode, 200, disabled.payload);
  await running.until(async () => (await verify()) === 'DISABLED');
  assert.deepEqual(await parked('keys'), []);
  const history = await ask(`/v1/keys/${id}/history`);
  assert.equal(history.statusCode, 200, history.payload);

  const [found] = await parked('key_list');
  const body = { stream: keyStream(id), version: found!.firstVersion };
  const asked = await ask('/v1/projections/key_list/parked/discard', admin.secret, body);
  assert.equal(asked.statusCode, 202, asked.payload);
  await running.until(async () => (await ask(`/v1/keys/${id}`)).statusCode === 200);
  const { name, status } = (await ask(`/v1/keys/${id}`)).json<{ name: string; status: string }>();
  assert.deepEqual([name, status], [running.key.name, 'disabled']);
});
