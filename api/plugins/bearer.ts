import { PlinthError } from '../../schemas/errors.ts';

/** Longer credentials are not ours, in characters. */
const MAX_CREDENTIAL_CHARS = 512;

/** The token of `Authorization: Bearer <token>` (RFC 6750 §2.1). Never part of an error's text. */
export function bearerToken(header: string | undefined): string {
  if (header === undefined || header === '') {
    throw new PlinthError('credential_missing', 'Send `Authorization: Bearer <management key>`.');
  }
  const match = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(header);
  if (!match || match[1]!.length > MAX_CREDENTIAL_CHARS) {
    throw new PlinthError('credential_invalid', 'The Authorization header holds no bearer token of ours.');
  }
  return match[1]!;
}
