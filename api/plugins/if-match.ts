/** ETags are stream versions in quotes: `"7"`. */
import { PlinthError } from '../../schemas/errors.ts';

const MAX_HEADER_CHARS = 200;

export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * The version that `If-Match` demands; undefined when there is none, or `*` (whatever it is: a thing that
 * is not there answers 404 anyway). A weak tag never matches a strong comparison (RFC 9110 §13.1.1), and a
 * tag that is not ours matches nothing: both answer `precondition_failed`.
 */
export function ifMatchVersion(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (text === '*') return undefined;
  if (text.length > MAX_HEADER_CHARS || !/^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(text)) {
    throw new PlinthError('invalid_request', 'If-Match takes one entity tag in quotes, or *.', {
      errors: [{ field: 'header.if-match', message: 'one entity tag as an ETag answered it, or *' }],
    });
  }
  const strong = /^"([1-9][0-9]{0,14})"$/.exec(text);
  if (!strong) {
    throw new PlinthError('precondition_failed', `If-Match names ${text}, which no version of this has.`);
  }
  return Number(strong[1]);
}
