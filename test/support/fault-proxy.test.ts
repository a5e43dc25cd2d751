import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startFaultProxy } from './fault-proxy.ts';

async function echo(t: TestContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function client(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Not `once`: that rejects when the socket's end is an error. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function said(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, 'data');
  socket.write(text);
  return String((await answer)[0]);
}

test('bytes come through in both directions', async (t) => {
  const proxy = await startFaultProxy(t, { port: await echo(t) });
  assert.equal(await said(await client(t, proxy.port), 'hello'), 'hello');
});

test('what hangs comes through when it is healed, in order', async (t) => {
  const proxy = await startFaultProxy(t, { port: await echo(t) });
  const socket = await client(t, proxy.port);
  await said(socket, 'a');
  proxy.hang();
  let heard = '';
  socket.on('data', (chunk) => {
    heard += String(chunk);
  });
  socket.write('b');
  socket.write('c');
  const late = await client(t, proxy.port);
  late.write('d');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(heard, '');
  const answer = once(socket, 'data');
  proxy.heal();
  await answer;
  while (heard.length < 2) await once(socket, 'data');
  assert.equal(heard, 'bc');
  assert.equal(String((await once(late, 'data'))[0]), 'd');
});

test('a slow connection holds every chunk back', async (t) => {
  const proxy = await startFaultProxy(t, { port: await echo(t) });
  const socket = await client(t, proxy.port);
  proxy.slow(50);
  const startedMs = performance.now();
  assert.equal(await said(socket, 'x'), 'x');
  assert.ok(performance.now() - startedMs >= 95);
});

test('cut connections are reset, and new ones too until it is healed', async (t) => {
  const proxy = await startFaultProxy(t, { port: await echo(t) });
  const socket = await client(t, proxy.port);
  await said(socket, 'x');
  const closed = ended(socket);
  proxy.cut();
  await closed;
  const refused = connect(proxy.port, '127.0.0.1');
  refused.on('error', () => {});
  await ended(refused);
  proxy.heal();
  assert.equal(await said(await client(t, proxy.port), 'y'), 'y');
});
