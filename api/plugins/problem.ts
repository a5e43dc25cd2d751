/** A problem as RFC 9457 writes it: made here, and nowhere else. */
import { type ErrorCode, errorCatalogue, type Rejection } from '../../schemas/errors.ts';
import { withoutKeys } from '../../schemas/secret.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  /** Relative to the address that answered: it is served there. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  /** `urn:plinth:request:<id>`. */
  readonly instance: string;
  readonly requestId: string;
  readonly [member: string]: unknown;
}

const RESERVED = new Set(['type', 'title', 'status', 'code', 'detail', 'instance', 'requestId', 'errors']);
/** Where the catalogue says to wait and nothing else says how long, in seconds. */
const DEFAULT_RETRY_AFTER_SECONDS = 1;
/** More faults of one request are cut. */
const MAX_FAULTS = 50;

export function problemOf(rejection: Rejection, requestId: string): Problem {
  const entry = errorCatalogue[rejection.code];
  const problem: Record<string, unknown> = {
    type: `/problems/${rejection.code}`,
    title: entry.title,
    status: entry.status,
    code: rejection.code,
    // It may quote what was sent: a key in the wrong place must not travel on to where problems are kept.
    detail: withoutKeys(rejection.detail),
    instance: `urn:plinth:request:${requestId}`,
    requestId,
  };
  if (rejection.errors && rejection.errors.length > 0) {
    problem.errors = rejection.errors.slice(0, MAX_FAULTS).map(({ field, message }) => ({
      field: withoutKeys(field),
      message: withoutKeys(message),
    }));
  }
  for (const [name, value] of Object.entries(rejection.extra ?? {})) {
    if (!RESERVED.has(name)) problem[name] = value;
  }
  if ((entry.status === 503 || entry.status === 429) && problem.retryAfterSeconds === undefined) {
    problem.retryAfterSeconds = DEFAULT_RETRY_AFTER_SECONDS;
  }
  return problem as unknown as Problem;
}

/** What the answer carries besides the body. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
  };
  if (typeof problem.retryAfterSeconds === 'number') {
    // RFC 9110: whole seconds, and never sooner than what the body says.
    headers['retry-after'] = String(Math.max(1, Math.ceil(problem.retryAfterSeconds)));
  }
  if (problem.code === 'credential_missing') headers['www-authenticate'] = 'Bearer realm="plinth"';
  if (problem.code === 'credential_invalid') {
    headers['www-authenticate'] = 'Bearer realm="plinth", error="invalid_token"';
  }
  if (problem.code === 'permission_denied') {
    headers['www-authenticate'] =
      `Bearer realm="plinth", error="insufficient_scope", scope="${String(problem.permission ?? '')}"`;
  }
  return headers;
}
