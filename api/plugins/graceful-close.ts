/**
 * Closing lets requests in flight end, tells keep-alive clients to go (`Connection: close`), and drops
 * connections as they fall idle: waiting for them measured 70 s with one keep-alive client.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../commands/clock.ts';

const SWEEP_EVERY_MS = 50;
/**
 * Connections on which no request has arrived whole are dropped then. Node takes them for active: one that
 * a browser or a load balancer had opened in advance measured 4 s.
 */
const UNUSED_GRACE_MS = 500;
/** Requests that still run then are cut. */
export const MAX_DRAIN_MS = 4_000;

export function closeGracefully(app: FastifyInstance, clock: Clock): void {
  const closed = new AbortController();
  const unused = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }: IncomingMessage) => unused.delete(socket));
  app.addHook('preClose', (done) => {
    void sweep(app, { clock, unused, closed: closed.signal });
    done();
  });
  app.addHook('onClose', (_app, done) => {
    closed.abort();
    done();
  });
}

interface Sweep {
  readonly clock: Clock;
  readonly unused: ReadonlySet<Socket>;
  readonly closed: AbortSignal;
}

async function sweep(app: FastifyInstance, { clock, unused, closed }: Sweep): Promise<void> {
  for (let waitedMs = 0; !closed.aborted; waitedMs += SWEEP_EVERY_MS) {
    app.server.closeIdleConnections();
    if (waitedMs >= UNUSED_GRACE_MS) for (const socket of unused) socket.destroy();
    if (waitedMs >= MAX_DRAIN_MS) {
      app.server.closeAllConnections();
      return;
    }
    await clock.sleep(SWEEP_EVERY_MS, closed);
  }
}
