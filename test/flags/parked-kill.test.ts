/** A kill in an environment with an event that cannot be read: it is taken, served, and kept. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { environmentStream } from '../../commands/streams.ts';
import type { EventId } from '../../schemas/envelope.ts';
import { runningApp } from '../support/running-app.ts';

const ALL = '/ofrep/v1/evaluate/flags';
const FLAGS = '/v1/projects/shop/environments/production/flags';

async function house(t: TestContext) {
  const cleanups: (() => unknown)[] = [];
  t.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const running = await runningApp({ after: (fn) => cleanups.push(fn) });
  const { app, admin, tenantId, log } = running;
  const stream = environmentStream(tenantId, 'shop', 'production');
  const post = (url: string, payload: object, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url,
      headers: { authorization: `Bearer ${admin.secret}`, ...headers },
      payload,
    });
  const evaluate = (url: string, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url,
      headers: { 'x-api-key': running.flagsKey.secret, ...headers },
      payload: { context: { targetingKey: 'user-17' } },
    });
  return {
    ...{ running, stream, post, evaluate },
    async answerOf(flag: string, position?: string): Promise<unknown> {
      const headers: Record<string, string> = position === undefined ? {} : { 'plinth-position': position };
      return (await evaluate(`${ALL}/${flag}`, headers)).json<{ value?: unknown }>().value;
    },
    parked: async () =>
      (await running.get('/v1/projections/flags/parked')).parked as readonly {
        stream: string;
        firstVersion: number;
      }[],
    /** Appends an event whose data no schema takes. */
    async spoil(): Promise<void> {
      const metadata = {
        ...{ tenant: tenantId, actor: 'system:test', commandId: randomUUID(), requestDigest: null },
        ...{ correlationId: 'test', causationId: null, traceparent: null },
      };
      const appended = await log.append(stream, 'any', [
        {
          ...{ id: randomUUID() as EventId, type: 'flag.changed', schemaVersion: 1, timeMs: running.now() },
          nonce: randomBytes(16),
          data: Buffer.from('{"flag":17}'),
          metadata: Buffer.from(JSON.stringify(metadata)),
        },
      ]);
      assert.ok(appended.ok);
    },
  };
}

test('a kill is answered and served while its environment is parked, and stands when it is not any more', async (t) => {
  const { running, stream, post, evaluate, answerOf, parked, spoil } = await house(t);
  await running.post('/v1/projects/shop/flags', { flag: 'other' });
  await running.post(`${FLAGS}/other/on`, {});
  await running.until(async () => (await answerOf('other')) === true);
  assert.equal(await answerOf('new-checkout'), true);
  const { etag } = (await evaluate(ALL)).headers;
  assert.ok(etag);

  await spoil();
  await running.until(async () => (await parked()).length === 1);
  assert.equal(await answerOf('new-checkout'), true, 'the last good set is served');
  const off = await post(`${FLAGS}/new-checkout/off`, {});
  assert.equal(off.statusCode, 503, off.payload);

  const once = { 'idempotency-key': 'kill-1' };
  const killed = await post(`${FLAGS}/new-checkout/kill`, { reason: 'checkout fails' }, once);
  assert.equal(killed.statusCode, 200, killed.payload);
  assert.deepEqual(
    [killed.json<{ flag: string }>().flag, killed.json<{ mode: string }>().mode],
    ['new-checkout', 'killed'],
  );
  const position = String(killed.headers['plinth-position']);
  assert.equal(await answerOf('new-checkout', position), false, 'who sends its position back sees it');
  await running.until(async () => (await answerOf('new-checkout')) === false);
  assert.equal(await answerOf('other'), true);
  const all = await evaluate(ALL, { 'if-none-match': String(etag) });
  assert.deepEqual(
    [all.statusCode, all.headers.etag],
    [200, undefined],
    'and no tag of a set that is not whole',
  );

  const again = await post(`${FLAGS}/new-checkout/kill`, { reason: 'checkout fails' }, once);
  assert.deepEqual([again.statusCode, again.headers['idempotency-replayed']], [200, 'true']);
  assert.equal(again.headers['plinth-position'], position);

  // A replay meets the same again: it stays parked, and the flag killed.
  const replay = await post('/v1/projections/flags/parked/replay', { stream });
  assert.equal(replay.statusCode, 202, replay.payload);
  const replayed = String(replay.headers['plinth-position'] ?? position);
  assert.equal(await answerOf('new-checkout', replayed), false);

  const [found] = await parked();
  const body = { stream, version: found!.firstVersion };
  const discard = await post('/v1/projections/flags/parked/discard', body);
  assert.equal(discard.statusCode, 202, discard.payload);
  await running.until(async () => (await parked()).length === 0);
  await running.until(async () => (await evaluate(ALL)).headers.etag !== undefined);
  assert.equal(await answerOf('new-checkout'), false, 'it is projected like any other');
  const on = await post(`${FLAGS}/new-checkout/on`, {});
  assert.equal(on.statusCode, 200, on.payload);
  assert.equal(await answerOf('new-checkout', String(on.headers['plinth-position'])), true);
});
