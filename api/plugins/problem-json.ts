/** One place where whatever went wrong becomes a problem document. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Random } from '../../commands/clock.ts';
import { InvalidAppend } from '../../commands/event-log.ts';
import { PlinthError, type Rejection } from '../../schemas/errors.ts';
import { answerOfrepError, speaksOfrep } from './ofrep-error.ts';
import { PROBLEM_TYPE, type Problem, problemHeaders, problemOf } from './problem.ts';
import { requestIdOf } from './request-id.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

export function answerProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  rejection: Rejection,
): FastifyReply {
  const problem = problemOf(rejection, request.id);
  if (speaksOfrep(request.url)) return answerOfrepError(request, reply, problem);
  for (const [name, value] of Object.entries(problemHeaders(problem))) reply.header(name, value);
  return reply
    .code(problem.status)
    .serializer(JSON.stringify as (payload: unknown) => string)
    .send(problem);
}

/** Whether an error is an engine's that is away or has too much to do. */
type Outage = (error: unknown) => 'unavailable' | 'overloaded' | null;

/** The handler of every error, Fastify's own included. What nobody foresaw is logged whole and told as `internal`. */
export function problemErrorHandler(outage: Outage) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const rejection = rejectionOf(error, outage, request.routeOptions.bodyLimit);
    const { code } = rejection;
    if (code === 'internal') request.log.error({ err: error, reqId: request.id }, 'request failed');
    else if (code === 'unavailable') tellOutage(error, rejection, outage, request);
    return answerProblem(request, reply, rejection);
  };
}

/** What is known to happen is one line; where it was thrown is told of what is not. */
function tellOutage(
  error: unknown,
  { code, detail }: Rejection,
  outage: Outage,
  request: FastifyRequest,
): void {
  const own = error instanceof PlinthError;
  const from = own ? error.cause : error;
  const known = from === undefined || from instanceof PlinthError || outage(from) !== null;
  const problem = own || !(error instanceof Error) ? undefined : `${error.name}: ${error.message}`;
  request.log.warn({ reqId: request.id, code, problem, ...(!known && { err: error }) }, detail);
}

/** Of a command it is not said whether it was carried out: its `Idempotency-Key` makes it safe to repeat. */
const OUTAGES: Readonly<Record<'unavailable' | 'overloaded', Rejection>> = {
  unavailable: {
    code: 'unavailable',
    detail:
      'A store that this needs is away. Send it again, a write with the same Idempotency-Key: it may have been carried out.',
  },
  overloaded: { code: 'overloaded', detail: 'Too much waits for a store that this needs.' },
};

interface FastifyFault {
  readonly code?: string;
  readonly statusCode?: number;
  readonly message?: string;
}

/** `bodyLimit`: of the route, in bytes. */
export function rejectionOf(error: unknown, outage: Outage, bodyLimit?: number): Rejection {
  if (error instanceof PlinthError) return error.rejection;
  const fault = (error ?? {}) as FastifyFault;
  if (error instanceof InvalidAppend && /too_large/.test(error.reason)) {
    return { code: 'event_too_large', detail: 'The change does not fit into one event.' };
  }
  switch (fault.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'unsupported_media_type', detail: 'Bodies are taken as application/json in UTF-8.' };
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return {
        code: 'body_too_large',
        detail: `The body is larger than this route takes${bodyLimit === undefined ? '' : `: ${bodyLimit} bytes`}.`,
      };
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return { code: 'invalid_request', detail: 'Content-Length is not the length of the body.' };
    case 'FST_ERR_BAD_URL':
      return { code: 'invalid_request', detail: 'The path holds a malformed percent-encoding.' };
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return { code: 'uri_too_long', detail: 'A part of the path is too long.' };
    case 'FST_ERR_HANDLER_TIMEOUT':
      return { code: 'overloaded', detail: 'The answer took too long.' };
    // Not ECONNRESET: a store that went away says that too, and Fastify gives a status to one of the body.
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return { code: 'invalid_request', detail: 'The body ended before its stated length.' };
  }
  if (fault.statusCode === 413) return { code: 'body_too_large', detail: 'The body is too large.' };
  if (fault.statusCode !== undefined && fault.statusCode >= 400 && fault.statusCode < 500) {
    return { code: 'invalid_request', detail: 'The request could not be read.' };
  }
  const away = outage(error);
  if (away !== null) return OUTAGES[away];
  return { code: 'internal', detail: 'Something broke here. The request id finds it in the log.' };
}

/** What Node itself refuses, before there is a request: too many header bytes, no HTTP, too slow. */
export function clientErrorHandler(random: Random) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem = problemOf(clientRejection(error.code), requestIdOf(random, undefined));
    socket.end(rawAnswer(problem));
  };
}

/** CONNECT never becomes a request in Node: it would close the connection without a word. */
export function refuseTunnels(app: FastifyInstance, random: Random): void {
  app.server.on('connect', (_request, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    const rejection: Rejection = { code: 'method_not_allowed', detail: 'No path takes CONNECT.' };
    socket.end(rawAnswer(problemOf(rejection, requestIdOf(random, undefined)), { allow: 'GET' }));
  });
}

function clientRejection(code: string | undefined): Rejection {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'headers_too_large', detail: 'All headers together may be 16 KiB.' };
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { code: 'body_too_large', detail: 'The chunk extensions are too large.' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'request_timeout', detail: 'The request did not arrive whole in time.' };
    default:
      return { code: 'invalid_request', detail: 'This is not an HTTP request that can be read.' };
  }
}

function rawAnswer(problem: Problem, more: Readonly<Record<string, string>> = {}): string {
  const body = JSON.stringify(problem);
  const headers = {
    ...SECURITY_HEADERS,
    ...problemHeaders(problem),
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': problem.requestId,
    connection: 'close',
    ...more,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${problem.status} ${REASON[problem.status] ?? 'Bad Request'}\r\n${lines.join('')}\r\n${body}`;
}
const REASON: Readonly<Record<number, string>> = {
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
};

/** No route: 405 with `Allow` where the path is known with other methods, else 404. OPTIONS answers `Allow`. */
export function answerUnmatched(app: FastifyInstance, methodsOf: (path: string) => readonly string[]): void {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]!;
    const methods = methodsOf(path);
    if (methods.length === 0) {
      return answerProblem(request, reply, { code: 'not_found', detail: 'There is nothing at this path.' });
    }
    reply.header('allow', methods.join(', '));
    if (request.method === 'OPTIONS') return reply.code(204).send();
    return answerProblem(request, reply, {
      code: 'method_not_allowed',
      detail: `This path takes ${methods.join(', ')}.`,
    });
  });
}
