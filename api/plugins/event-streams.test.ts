import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { PlinthError } from '../../schemas/errors.ts';
import { readEvents } from '../../test/support/event-reader.ts';
import { scratchApi } from '../../test/support/scratch-api.ts';
import type { EventConnection } from '../event-connection.ts';
import type { OpenApiDocument } from '../openapi/document.ts';
import { type Answer, routesOf } from '../route.ts';
import { MAX_BUFFERED_BYTES } from './event-streams.ts';
import { MAX_DRAIN_MS } from './graceful-close.ts';

const defineRoute = routesOf<null>();

async function streaming(t: { after(fn: () => unknown): void }, stream: NonNullable<Answer['stream']>) {
  const { app, observed } = await scratchApi(t, {}, [
    defineRoute({
      method: 'GET',
      path: '/v1/widgets/events',
      operationId: 'widgetEvents',
      summary: 'Events',
      description: 'As they come.',
      tag: 'Keys',
      access: { permission: 'keys:read' },
      responses: { 200: { description: 'They.', contentType: 'text/event-stream' } },
      handler: () => ({ status: 200, stream }),
    }),
  ]);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const read = (options: { method?: string; agent?: Agent } = {}) =>
    readEvents(port, '/v1/widgets/events', { headers: { authorization: 'Bearer good-key' }, ...options });
  return { app, observed, port, read };
}

test('a stream is sent as it is written, to be kept and held back by nobody', async (t) => {
  const connections: EventConnection[] = [];
  const { read, observed } = await streaming(t, (connection) => {
    connections.push(connection);
    connection.send(': hello\n\n');
  });
  const events = await read();
  assert.equal(events.status, 200);
  assert.equal(events.headers['content-type'], 'text/event-stream');
  assert.equal(events.headers['cache-control'], 'no-store, no-transform');
  assert.equal(events.headers['x-accel-buffering'], 'no');
  assert.equal(events.headers['x-content-type-options'], 'nosniff');
  assert.equal(events.headers['content-encoding'], undefined);
  await events.until((text) => text === ': hello\n\n');
  // Told of when it began: how long it lasts is no latency.
  assert.deepEqual(observed, [{ method: 'GET', route: '/v1/widgets/events', status: 200 }]);
  connections[0]!.send('data: 1\n\n');
  await events.until((text) => text.endsWith('data: 1\n\n'));
  connections[0]!.end();
  assert.equal(await events.ended, 'clean');
  assert.equal(connections[0]!.send('data: 2\n\n'), false);
  assert.equal(observed.length, 1);
});

test('a stream that sends nothing yet has its headers at once', async (t) => {
  const { read } = await streaming(t, () => {});
  const events = await read();
  assert.equal(events.status, 200);
  events.leave();
});

test('what is refused before the first byte is answered as a problem', async (t) => {
  const { read, observed } = await streaming(t, async () => {
    throw new PlinthError('overloaded', 'Too many streams.');
  });
  const events = await read();
  assert.equal(events.status, 503);
  assert.equal(events.headers['content-type'], 'application/problem+json');
  await events.ended;
  assert.deepEqual(observed, [{ method: 'GET', route: '/v1/widgets/events', status: 503 }]);
});

test('a stream that fails in the middle is cut, so that its reader comes again', async (t) => {
  const { read } = await streaming(t, async (connection) => {
    connection.send(': hello\n\n');
    throw new Error('secret internals');
  });
  const events = await read();
  assert.equal(await events.ended, 'cut');
  assert.doesNotMatch(events.text(), /internals/);
});

test('HEAD opens no stream', async (t) => {
  let opened = 0;
  const { read } = await streaming(t, () => {
    opened += 1;
  });
  const events = await read({ method: 'HEAD' });
  assert.equal(events.status, 200);
  assert.equal(events.headers['content-type'], 'text/event-stream');
  assert.equal(await events.ended, 'clean');
  assert.equal(opened, 0);
});

test('a stream learns that its reader has gone', async (t) => {
  const connections: EventConnection[] = [];
  const { read } = await streaming(t, (connection) => {
    connections.push(connection);
  });
  const events = await read();
  const { signal } = connections[0]!;
  const gone = signal.aborted ? null : once(signal, 'abort');
  events.leave();
  await gone;
  assert.equal(connections[0]!.send(': late\n\n'), false);
});

test('a reader that does not keep up is cut at the bound, and nothing waits for it', async (t) => {
  const connections: EventConnection[] = [];
  const { app, read } = await streaming(t, (connection) => {
    connections.push(connection);
  });
  const raws: ServerResponse[] = [];
  app.server.on('request', (_request, response) => raws.push(response));
  const events = await read();
  events.stall();
  const frame = `data: ${'x'.repeat(16_000)}\n\n`;
  let sent = 0;
  let mostWaiting = 0;
  // The kernel takes some megabytes first.
  while (sent < 5_000 && connections[0]!.send(frame)) {
    sent += 1;
    mostWaiting = Math.max(mostWaiting, raws[0]!.writableLength);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < 5_000, 'it was never cut');
  assert.ok(mostWaiting <= MAX_BUFFERED_BYTES + frame.length, `${mostWaiting} bytes waited`);
  assert.ok(connections[0]!.signal.aborted);
  assert.ok(raws[0]!.destroyed);
  events.leave();
});

test('closing ends open streams at once', async (t) => {
  const { app, read } = await streaming(t, (connection) => {
    connection.send(': hello\n\n');
  });
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const open = await Promise.all(Array.from({ length: 50 }, () => read({ agent })));
  const startedMs = performance.now();
  await app.close();
  assert.ok(performance.now() - startedMs < MAX_DRAIN_MS, 'it waited for the streams');
  for (const events of open) assert.equal(await events.ended, 'clean');
});

test('the document tells of the stream', async (t) => {
  const { app } = await streaming(t, () => {});
  const document = (await app.inject('/openapi.json')).json<OpenApiDocument>();
  const { responses } = document.paths['/v1/widgets/events']!.get as {
    responses: Record<string, { content: Record<string, unknown> }>;
  };
  assert.deepEqual(Object.keys(responses[200]!.content), ['text/event-stream']);
});
