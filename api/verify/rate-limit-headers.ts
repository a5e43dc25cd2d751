/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-11: Structured-Field Lists of Strings. Limit names
 * have no character that a String would have to escape.
 */
import type { VerifyView } from '../../schemas/views/verify.ts';

export interface RateLimitHeaders {
  readonly RateLimit?: string;
  readonly 'RateLimit-Policy'?: string;
  /** Whole seconds; never sooner than the limit that denied says. */
  readonly 'Retry-After'?: string;
}

export function rateLimitHeaders(
  view: Pick<VerifyView, 'limits' | 'code' | 'retryAfterSeconds'>,
): RateLimitHeaders {
  const headers: { -readonly [K in keyof RateLimitHeaders]: RateLimitHeaders[K] } = {};
  if (view.limits.length > 0) {
    headers.RateLimit = view.limits.map((l) => `"${l.name}";r=${l.remaining};t=${l.resetSeconds}`).join(', ');
    headers['RateLimit-Policy'] = view.limits
      .map((l) => `"${l.name}";q=${l.limit};w=${l.windowSeconds}`)
      .join(', ');
  }
  if (view.retryAfterSeconds !== null) headers['Retry-After'] = String(view.retryAfterSeconds);
  return headers;
}
