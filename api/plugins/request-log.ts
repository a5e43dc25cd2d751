/** One log line and one observation an answer: by route template, never by address or body. */
import type { FastifyInstance } from 'fastify';
import type { ApiDeps } from '../deps.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    template?: string;
    operationId?: string;
  }
}

export const UNMATCHED = 'unmatched';

export function tellOfRequests(app: FastifyInstance, deps: Pick<ApiDeps<unknown>, 'observe'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.config.template ?? UNMATCHED;
    const { method } = request;
    const { statusCode: status, elapsedTime: ms } = reply;
    deps.observe?.({ method, route, status, seconds: ms / 1000 });
    // An allow-list: whatever else a request carries, it is not here.
    request.log.info(
      {
        reqId: request.id,
        traceId: request.trace?.traceId,
        origin: request.trace?.origin ?? undefined,
        method,
        route,
        status,
        ms: Math.round(ms * 1000) / 1000,
        tenant: request.caller?.tenant,
        actor: request.caller?.keyId,
      },
      'answered',
    );
    done();
  });
}
