/**
 * Closing lets requests in flight end, tells keep-alive clients to go (`Connection: close`), and drops
 * connections as they fall idle: waiting for them measured 70 s with one keep-alive client.
 */
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../commands/clock.ts';

const SWEEP_EVERY_MS = 50;
/** Requests that still run then are cut. */
export const MAX_DRAIN_MS = 4_000;

export function closeGracefully(app: FastifyInstance, clock: Clock): void {
  const closed = new AbortController();
  app.addHook('preClose', (done) => {
    void sweep(app, clock, closed.signal);
    done();
  });
  app.addHook('onClose', (_app, done) => {
    closed.abort();
    done();
  });
}

async function sweep(app: FastifyInstance, clock: Clock, closed: AbortSignal): Promise<void> {
  for (let waitedMs = 0; !closed.aborted; waitedMs += SWEEP_EVERY_MS) {
    app.server.closeIdleConnections();
    if (waitedMs >= MAX_DRAIN_MS) {
      app.server.closeAllConnections();
      return;
    }
    await clock.sleep(SWEEP_EVERY_MS, closed);
  }
}
