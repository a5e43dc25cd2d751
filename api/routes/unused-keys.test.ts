import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { keyStream, usageStream } from '../../commands/streams.ts';
import type { EventId, StreamId } from '../../schemas/envelope.ts';
import { issuedData } from '../../test/support/issued-data.ts';
import { type RunningApp, runningApp } from '../../test/support/running-app.ts';

const DAY_MS = 86_400_000;
const idOf = (n: number) => `key_${String(n).padStart(12, '0')}`;

/** Writes history as it would be there after months; no command lets a client choose the time. */
function historian(running: RunningApp) {
  const nowMs = running.now();
  const daysAgo = (days: number) => nowMs - days * DAY_MS;
  const write = async (stream: StreamId, type: string, timeMs: number, data: unknown) => {
    const metadata = {
      tenant: running.tenantId,
      actor: 'system:test',
      commandId: randomUUID(),
      requestDigest: null,
      correlationId: 'test',
      causationId: null,
      traceparent: null,
    };
    const appended = await running.log.append(stream, 'any', [
      {
        id: randomUUID() as EventId,
        type,
        schemaVersion: 1,
        timeMs,
        nonce: randomBytes(16),
        data: Buffer.from(JSON.stringify(data)),
        metadata: Buffer.from(JSON.stringify(metadata)),
      },
    ]);
    assert.ok(appended.ok);
  };
  return {
    daysAgo,
    issued: (n: number, days: number, over: Readonly<Record<string, unknown>> = {}) =>
      write(keyStream(idOf(n)), 'key.issued', daysAgo(days), issuedData(idOf(n), over)),
    used: (n: number, days: number) => {
      const at = new Date(daysAgo(days)).toISOString();
      return write(usageStream(running.tenantId, at.slice(0, 10), 'w'), 'usage.recorded', daysAgo(days), {
        writer: 'w',
        minute: `${at.slice(0, 16)}:00.000Z`,
        counts: [{ keyId: idOf(n), code: 'VALID', route: 'verify', count: 1, lastAt: at }],
        decisions: [],
        decisionsDropped: 0,
      });
    },
  };
}

test('the report has active api keys that are old enough and were not used for long, or never', async (t) => {
  const running = await runningApp(t);
  const { issued, used, daysAgo } = historian(running);
  await issued(1, 200);
  await issued(2, 200);
  await issued(3, 200);
  await issued(4, 50);
  await issued(5, 200, { use: 'management', permissions: ['keys:read'] });
  await issued(6, 200, { expiresAt: new Date(daysAgo(100)).toISOString() });
  await used(2, 120);
  await used(3, 10);

  const list = async (url: string) => {
    const { keys } = (await running.get(url)) as { keys: { id: string; lastUsedAt: string | null }[] };
    return keys;
  };
  const ids = async (url: string) => (await list(url)).map((key) => key.id);
  await running.until(async () => (await list('/v1/keys')).some((key) => key.id === idOf(6)));
  const shown = async (n: number) => (await list(`/v1/keys?q=${idOf(n)}`))[0]!.lastUsedAt !== null;
  await running.until(async () => (await shown(2)) && (await shown(3)));

  assert.deepEqual(await ids('/v1/keys/unused'), [idOf(2), idOf(1)]);
  assert.deepEqual(await ids('/v1/keys/unused?days=5'), [idOf(4), idOf(3), idOf(2), idOf(1)]);
  assert.deepEqual(await ids('/v1/keys/unused?days=150'), [idOf(1)]);

  const reported = await list('/v1/keys/unused');
  assert.deepEqual(
    reported.map((key) => key.lastUsedAt),
    [new Date(daysAgo(120)).toISOString(), null],
  );

  const first = (await running.get('/v1/keys/unused?limit=1')) as { keys: object[]; nextCursor: string };
  assert.equal(first.keys.length, 1);
  assert.deepEqual(await ids(`/v1/keys/unused?limit=1&cursor=${first.nextCursor}`), [idOf(1)]);

  const from = (days: number) => encodeURIComponent(new Date(daysAgo(days)).toISOString());
  const usedFrom = async (days: number) =>
    (await ids(`/v1/keys?usedFrom=${from(days)}`)).filter((id) => id.startsWith('key_00000000000'));
  assert.deepEqual(await usedFrom(120), [idOf(3), idOf(2)]);
  assert.deepEqual(await usedFrom(119), [idOf(3)]);

  const refused = await running.app.inject({
    url: '/v1/keys/unused?days=0',
    headers: { authorization: `Bearer ${running.admin.secret}` },
  });
  assert.equal(refused.statusCode, 400);
  const theirs = await running.app.inject({
    url: '/v1/keys/unused',
    headers: { authorization: `Bearer ${running.other.secret}` },
  });
  assert.deepEqual(theirs.json().keys, []);
});
