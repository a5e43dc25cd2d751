import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import Fastify from 'fastify';
import { closeGracefully, MAX_DRAIN_MS } from './graceful-close.ts';

/** Sleeps are short, and summed up as if they were whole. */
function hurriedClock() {
  const clock = {
    sleptMs: 0,
    now: () => clock.sleptMs,
    async sleep(ms: number) {
      clock.sleptMs += ms;
      await new Promise((resolve) => setTimeout(resolve, 2));
    },
  };
  return clock;
}

for (const [name, bytes] of [
  ['opened in advance', ''],
  ['with half a request', 'GET /slow HTTP/1.1\r\nHost: plinth\r\n'],
] as const) {
  test(`closing does not wait out the drain for a connection ${name}`, async (t) => {
    const clock = hurriedClock();
    const app = Fastify();
    closeGracefully(app, clock);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const arrived = once(app.server, 'connection');
    const socket = connect({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port });
    t.after(() => socket.destroy());
    socket.on('error', () => undefined);
    const dropped = once(socket, 'close');
    socket.resume();
    await arrived;
    if (bytes !== '') await new Promise((resolve) => socket.write(bytes, resolve));
    await app.close();
    await dropped;
    assert.ok(clock.sleptMs < MAX_DRAIN_MS, `${clock.sleptMs} ms`);
  });
}

test('closing waits for a request in flight, and cuts it after the drain', async (t) => {
  const clock = hurriedClock();
  const app = Fastify({ forceCloseConnections: false });
  closeGracefully(app, clock);
  const taken = Promise.withResolvers<void>();
  app.get('/slow', () => {
    taken.resolve();
    return new Promise(() => undefined);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  const dropped = once(socket, 'close');
  socket.resume();
  socket.write('GET /slow HTTP/1.1\r\nHost: plinth\r\n\r\n');
  await taken.promise;
  await app.close();
  await dropped;
  assert.ok(clock.sleptMs >= MAX_DRAIN_MS, `${clock.sleptMs} ms`);
});
