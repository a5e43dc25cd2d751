/**
 * Everything under /ofrep/ refuses in the form of OFREP, also where no route is: its clients take a problem
 * document for an answer that they do not know.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OfrepErrorCode } from '../../schemas/views/ofrep.ts';
import { type Problem, problemHeaders } from './problem.ts';

const PREFIX = '/ofrep/';
/** OFREP gives these no body. */
const BODYLESS: ReadonlySet<number> = new Set([401, 403, 429]);

/** @param path of a request, with or without its query, or of a route */
export function speaksOfrep(path: string): boolean {
  return path.startsWith(PREFIX);
}

export function answerOfrepError(
  request: FastifyRequest,
  reply: FastifyReply,
  problem: Problem,
): FastifyReply {
  const { 'content-type': _, ...headers } = problemHeaders(problem);
  reply.code(problem.status).headers(headers);
  if (BODYLESS.has(problem.status)) return reply.send();
  const key = keyOf(request);
  return reply.type('application/json; charset=utf-8').send(
    JSON.stringify({
      ...(problem.status === 400 && key && { key }),
      ...(problem.status === 400 && { errorCode: errorCodeOf(request, problem) }),
      errorDetails: detailsOf(problem),
    }),
  );
}

/** The flag that was asked for; as it stands in the address, where that cannot be decoded. */
function keyOf({ params, url }: FastifyRequest): string | undefined {
  const { key } = (params ?? {}) as { readonly key?: string };
  return key ?? /\/flags\/([^/?]+)/.exec(url)?.[1];
}

function errorCodeOf(request: FastifyRequest, { code }: Problem): OfrepErrorCode {
  if (code === 'malformed_json') return 'PARSE_ERROR';
  // The parser of bodies has refused it: too deep, or with names and characters that are not taken.
  return request.bodyBytes && request.body === undefined ? 'INVALID_CONTEXT' : 'GENERAL';
}

function detailsOf({ detail, errors }: Problem): string {
  const faults = (errors ?? []) as readonly { readonly field: string; readonly message: string }[];
  return [detail, ...faults.map(({ field, message }) => `${field} ${message}`)].join(' ');
}
