/**
 * Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol), for routes that say `cors: true`:
 * browsers of any origin may ask, with a key that the page itself sends. No cookie is ever looked at, so `*`
 * gives away nothing.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Route } from '../route.ts';

/** What OpenFeature's web clients and event sources send. */
const ALLOWED_HEADERS = 'If-None-Match, Authorization, X-API-Key, Content-Type, Last-Event-ID';
/** What they read. */
const EXPOSED_HEADERS = 'ETag, Retry-After';
/** Browsers keep a preflight's answer no longer than two hours. */
const PREFLIGHT_SECONDS = 7_200;

/** On every answer of the route, a refusal too: a page must be able to read its status. */
export function allowOrigins(reply: FastifyReply): void {
  reply.header('access-control-allow-origin', '*');
  reply.header('access-control-expose-headers', EXPOSED_HEADERS);
}

/** Answers OPTIONS on the paths of routes that take part: a preflight carries no credential. */
export function answerPreflights(
  app: FastifyInstance,
  routes: readonly Pick<Route<never>, 'method' | 'path' | 'cors'>[],
): void {
  const paths = Map.groupBy(
    routes.filter(({ cors }) => cors),
    ({ path }) => path,
  );
  for (const [path, members] of paths) {
    const methods = members.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).sort();
    app.route({
      method: 'OPTIONS',
      url: path.replace(/\{(\w+)\}/g, ':$1'),
      config: { template: path },
      handler(_request, reply) {
        allowOrigins(reply);
        return reply
          .code(204)
          .headers({
            allow: [...methods, 'OPTIONS'].sort().join(', '),
            'access-control-allow-methods': methods.join(', '),
            'access-control-allow-headers': ALLOWED_HEADERS,
            'access-control-max-age': String(PREFLIGHT_SECONDS),
          })
          .send();
      },
    });
  }
}
