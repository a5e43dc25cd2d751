import { PlinthError } from '../../schemas/errors.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;

/** The `Idempotency-Key`: 1 to 255 visible ASCII characters; undefined when none was sent. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && KEY.test(header)) return header;
  const message = 'an Idempotency-Key is 1 to 255 visible ASCII characters, sent once';
  throw new PlinthError('invalid_request', `${message}.`, {
    errors: [{ field: 'header.idempotency-key', message }],
  });
}
