/** Builds the HTTP API from what it is given. Nothing listens yet, and nothing was started. */
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { ApiDeps } from './deps.ts';
import { openApiDocument } from './openapi/document.ts';
import { eventStreams } from './plugins/event-streams.ts';
import { closeGracefully } from './plugins/graceful-close.ts';
import { acceptJsonBodies } from './plugins/json-body.ts';
import { pathIndex } from './plugins/path-index.ts';
import {
  answerProblem,
  answerUnmatched,
  clientErrorHandler,
  problemErrorHandler,
  refuseTunnels,
} from './plugins/problem-json.ts';
import { registerRoutes } from './plugins/register-routes.ts';
import { requestIdOf } from './plugins/request-id.ts';
import { tellOfRequests } from './plugins/request-log.ts';
import { traceOf } from './plugins/route-request.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';
import type { Route } from './route.ts';
import { everyRoute } from './routes/every-route.ts';

/** The path and query of a request, in characters. */
export const MAX_URL_CHARS = 8_192;
/** One parameter of a path, in characters. */
const MAX_PARAM_CHARS = 300;
export const MAX_HEADER_BYTES = 16 * 1024;
/** A request must have arrived whole by then; its headers sooner. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than a proxy in front keeps an idle connection, or it would send into a closed one. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** A handler that takes longer answers `overloaded`. */
const HANDLER_TIMEOUT_MS = 30_000;

export function buildApp<S>(deps: ApiDeps<S>, domainRoutes: readonly Route<S>[]): FastifyInstance {
  const answerError = problemErrorHandler(deps.outage?.bind(deps) ?? (() => null));
  const app = Fastify({
    ...(deps.logger ? { loggerInstance: deps.logger } : { logger: false }),
    // One logger for all: a child for each request costs more than the line it writes.
    childLoggerFactory: (logger) => logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    trustProxy: deps.trustedProxies && deps.trustedProxies.length > 0 ? [...deps.trustedProxies] : false,
    genReqId: (raw) => requestIdOf(deps.random, raw.headers['x-request-id']),
    routerOptions: { maxParamLength: MAX_PARAM_CHARS, caseSensitive: true },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false },
    return503OnClosing: false,
    clientErrorHandler: clientErrorHandler(deps.random) as never,
    frameworkErrors(error, request, reply) {
      dress(request, reply);
      answerError(error, request, reply);
    },
  });

  app.decorateRequest('caller', null);
  app.decorateRequest('trace', null);
  acceptJsonBodies(app);
  app.setErrorHandler(answerError);
  const methodsOf = pathIndex(app);
  answerUnmatched(app, methodsOf);
  refuseTunnels(app, deps.random);
  // Expectations that are not known are ignored, as RFC 9110 §10.1.1 lets a server do: Node answers 417 bare.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  app.addHook('onRequest', (request, reply, done) => {
    dress(request, reply);
    if (request.raw.url!.length > MAX_URL_CHARS) {
      answerProblem(request, reply, {
        code: 'uri_too_long',
        detail: `Path and query may be ${MAX_URL_CHARS} characters.`,
      });
      return;
    }
    // RFC 9112 §3.2. Node would refuse it too, but without a word.
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
      answerProblem(request, reply, { code: 'invalid_request', detail: 'HTTP/1.1 requires a Host header.' });
      return;
    }
    done();
  });
  const tell = tellOfRequests(app, deps);
  const streams = eventStreams(app, deps.clock, tell);
  closeGracefully(app, deps.clock);

  const routes = everyRoute(domainRoutes, deps, () => document);
  const document = openApiDocument(routes, deps.version);
  registerRoutes(app, deps, streams, routes);
  return app;

  function dress(request: FastifyRequest, reply: FastifyReply): void {
    reply.headers(SECURITY_HEADERS);
    reply.header('x-request-id', request.id);
    traceOf(deps, request);
  }
}
