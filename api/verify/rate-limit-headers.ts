/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-11: Structured-Field Lists of Strings. Limit names
 * have no character that a String would have to escape.
 */
import type { VerifyView } from '../../schemas/views/verify.ts';

export interface RateLimitHeaders {
  readonly RateLimit?: string;
  readonly 'RateLimit-Policy'?: string;
  /** Whole seconds. */
  readonly 'Retry-After'?: string;
}

/**
 * `t` is when there is something new to know of a limit: when all its units are back, or, where the
 * answer says when to try again, no later than that, because `Retry-After` must not precede `t`.
 */
export function rateLimitHeaders(view: Pick<VerifyView, 'limits' | 'retryAfterSeconds'>): RateLimitHeaders {
  const { limits, retryAfterSeconds } = view;
  const latest = retryAfterSeconds ?? Number.POSITIVE_INFINITY;
  const headers: { -readonly [K in keyof RateLimitHeaders]: RateLimitHeaders[K] } = {};
  if (limits.length > 0) {
    headers.RateLimit = limits
      .map((l) => `"${l.name}";r=${l.remaining};t=${Math.min(l.resetSeconds, latest)}`)
      .join(',');
    headers['RateLimit-Policy'] = limits
      .map((l) => `"${l.name}";q=${l.limit};w=${l.windowSeconds}`)
      .join(',');
  }
  if (retryAfterSeconds !== null) headers['Retry-After'] = String(retryAfterSeconds);
  return headers;
}
