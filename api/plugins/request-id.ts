/** Every request has an id: the caller's when it is sane, else one of ours; it is always answered. */
import type { Random } from '../../commands/clock.ts';

const SANE = /^[A-Za-z0-9._:-]{1,128}$/;

export function requestIdOf(random: Random, header: string | string[] | undefined): string {
  if (typeof header === 'string' && SANE.test(header)) return header;
  return `req_${Buffer.from(random.bytes(15)).toString('base64url')}`;
}
