import type { FastifyRequest } from 'fastify';
import { PlinthError } from '../../schemas/errors.ts';

/** Throws `not_acceptable` when `Accept` rules out what the route answers. */
export function demandAcceptable(request: FastifyRequest, types: readonly string[]): void {
  const { accept } = request.headers;
  if (accept === undefined || accept === '' || accept === '*/*' || accept === types[0]) return;
  for (const range of accept.split(',', 50)) {
    const [type, ...params] = range.trim().toLowerCase().split(';');
    if (params.some((p) => /^\s*q\s*=\s*0(?:\.0{0,3})?\s*$/.test(p))) continue;
    if (matches(type!.trim(), types)) return;
  }
  throw new PlinthError('not_acceptable', `This answers ${types.join(' or ')}.`);
}

/** Whether the range would take one of the types. */
function matches(range: string, types: readonly string[]): boolean {
  if (range === '*/*') return true;
  return types.some((type) => range === type || range === `${type.slice(0, type.indexOf('/'))}/*`);
}
