/** Registers routes that were declared as data. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { positionToken, START } from '../../schemas/envelope.ts';
import { serialiserSchema } from '../../schemas/json-schema.ts';
import type { ApiDeps } from '../deps.ts';
import type { Answer, Route } from '../route.ts';
import { demandAcceptable } from './accept.ts';
import { accessHook } from './access.ts';
import { allowOrigins, answerPreflights } from './cors.ts';
import type { EventStreams } from './event-streams.ts';
import { idempotencyKeyOf } from './idempotency-key.ts';
import { etagOf, ifMatchVersion } from './if-match.ts';
import { MAX_BODY_BYTES } from './json-body.ts';
import { POSITION_HEADER, positionOf } from './position.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { HandledRequest } from './route-request.ts';
import { validate } from './validate.ts';

export function registerRoutes<S>(
  app: FastifyInstance,
  deps: ApiDeps<S>,
  streams: EventStreams,
  routes: readonly Route<S>[],
): void {
  for (const route of routes) registerRoute(app, deps, streams, route);
  answerPreflights(app, routes);
}

function registerRoute<S>(
  app: FastifyInstance,
  deps: ApiDeps<S>,
  streams: EventStreams,
  route: Route<S>,
): void {
  const produces = producedTypes(route);
  const access = accessHook(deps, route.access);
  const schemas = { params: route.params, query: route.query, body: route.body };
  app.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ':$1'),
    bodyLimit: route.maxBodyBytes ?? MAX_BODY_BYTES,
    config: { template: route.path, operationId: route.operationId },
    schema: { response: route.raw ? {} : responseSchemas(route) },
    onRequest(request, reply, done) {
      if (route.cors) allowOrigins(reply);
      try {
        // A good answer without a body suits whatever is asked for.
        if (produces.length > 1) demandAcceptable(request, produces);
      } catch (error) {
        done(error as Error);
        return;
      }
      access(request, reply, done);
    },
    async handler(request, reply) {
      const came = { params: request.params, query: request.query, body: request.body };
      const parts = route.raw ? came : validate(schemas, came);
      const { headers } = request;
      // A key that is not taken here is still looked at: a malformed one must not pass in silence.
      idempotencyKeyOf(headers['idempotency-key']);
      const handled = new HandledRequest(deps, route.operationId, request, reply, parts, {
        ifVersion: route.conditional ? ifMatchVersion(headers['if-match']) : undefined,
        atLeast:
          headers[POSITION_HEADER] === undefined
            ? undefined
            : positionOf(headers[POSITION_HEADER], deps.epoch()),
      });
      const answer = await route.handler(handled as never, deps.services);
      if (answer.stream) return streams.open(request, reply, answer);
      return send(deps, route, reply, answer);
    },
  });
}

function send<S>(deps: ApiDeps<S>, route: Route<S>, reply: FastifyReply, answer: Answer): FastifyReply {
  reply.code(answer.status);
  reply.header('cache-control', 'no-store');
  if (answer.position !== undefined && answer.position !== null && answer.position !== START) {
    reply.header(POSITION_HEADER, positionToken(deps.epoch(), answer.position));
  }
  if (answer.version !== undefined) reply.header('etag', etagOf(answer.version));
  if (answer.replayed) reply.header('idempotency-replayed', 'true');
  for (const name in answer.headers) reply.header(name, answer.headers[name]);
  if (route.raw && answer.body !== undefined) reply.type('application/json; charset=utf-8');
  if (answer.alternative) {
    // Rare, so the parser that checks it may also strip it.
    const form = route.responses[answer.status]!.alternative!;
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(form.parse(answer.body)));
  }
  return reply.send(answer.body);
}

function producedTypes<S>(route: Route<S>): readonly string[] {
  const types = new Set<string>();
  for (const response of Object.values(route.responses)) {
    if (response.schema) types.add('application/json');
    if (response.contentType) types.add(response.contentType);
  }
  return [...types, PROBLEM_TYPE];
}

function responseSchemas<S>(route: Route<S>): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  for (const [status, response] of Object.entries(route.responses)) {
    if (response.schema) schemas[status] = serialiserSchema(response.schema);
  }
  return schemas;
}
