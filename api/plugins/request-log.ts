/** One log line and one observation an answer: by route template, never by address or body. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ApiDeps } from '../deps.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    template?: string;
    operationId?: string;
  }
}

type Tell = (request: FastifyRequest, reply: FastifyReply) => void;

export const UNMATCHED = 'unmatched';

/** Answers what tells of an answer that goes on, when it begins: how long it then lasts is no latency. */
export function tellOfRequests(app: FastifyInstance, deps: Pick<ApiDeps<unknown>, 'observe'>): Tell {
  const tell = (request: FastifyRequest, reply: FastifyReply) => {
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
  };
  app.addHook('onResponse', (request, reply, done) => {
    if (!request.streaming) tell(request, reply);
    done();
  });
  return tell;
}
