/**
 * Every request has an id: the caller's when it is sane, else one of ours; it is always answered. Events
 * keep it in the clear for ever, so what looks like a credential is not taken for one.
 */
import type { Random } from '../../commands/clock.ts';

const SANE = /^[A-Za-z0-9._:-]{1,128}$/;
/** Our keys, and JSON web tokens. */
const CREDENTIAL = /plinth_(?:live|test)_|eyJ[\w-]+\.[\w-]+\./;

export function requestIdOf(random: Random, header: string | string[] | undefined): string {
  if (typeof header === 'string' && SANE.test(header) && !CREDENTIAL.test(header)) return header;
  return `req_${Buffer.from(random.bytes(15)).toString('base64url')}`;
}
