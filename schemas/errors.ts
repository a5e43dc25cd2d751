/**
 * The closed catalogue of errors that a user can meet. `code` is stable; `fix` says what to do; the
 * documentation of each is generated from here and served at `/problems/<code>`.
 */
export interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  readonly fix: string;
}

function entry(status: number, title: string, fix: string): ErrorEntry {
  return { status, title, fix };
}

export const errorCatalogue = {
  invalid_request: entry(
    400,
    'The request is not valid',
    'Correct the fields that `errors` names and send it again.',
  ),
  malformed_json: entry(400, 'The body is not JSON', 'Send one JSON document as UTF-8.'),
  invalid_cursor: entry(
    400,
    'The cursor is not one of ours',
    'Pass `cursor` exactly as a page returned it, with the same filters, or leave it out.',
  ),
  credential_missing: entry(401, 'No credential was sent', 'Send `Authorization: Bearer <management key>`.'),
  credential_invalid: entry(
    401,
    'The credential is not accepted',
    'Use a management key that is enabled, not revoked and not expired.',
  ),
  permission_denied: entry(
    403,
    'The key lacks a permission',
    'Use a key that carries the permission named in `permission`.',
  ),
  permission_escalation: entry(
    403,
    'A key cannot grant what it does not hold',
    'Grant only permissions that the calling key carries.',
  ),
  approval_required: entry(
    403,
    'The environment asks for approvals',
    'Open a change request with the same change, and have it approved.',
  ),
  self_approval: entry(
    403,
    'Nobody approves a change of their own',
    'Have somebody else approve it, with a key that has an owner.',
  ),
  tenant_suspended: entry(403, 'The tenant is suspended', 'Have the tenant resumed, then try again.'),
  not_found: entry(
    404,
    'There is no such thing here',
    'Check the id; it may belong to another tenant or never have existed.',
  ),
  method_not_allowed: entry(405, 'The path does not take this method', 'Use a method that `Allow` lists.'),
  not_acceptable: entry(406, 'No representation fits `Accept`', 'Accept application/json.'),
  request_timeout: entry(408, 'The request took too long to arrive', 'Send it again, whole and at once.'),
  conflict: entry(409, 'The thing is not in a state for this', 'Read it again and decide anew.'),
  already_exists: entry(409, 'It exists already', 'Use the one that exists, or choose another name.'),
  contended: entry(409, 'Too many writers at once', 'Try again; nothing was done.'),
  epoch_gone: entry(
    410,
    'The position belongs to a history that is gone',
    'Drop the position or cursor and read anew: the log was restored or moved.',
  ),
  precondition_failed: entry(
    412,
    'It has changed since you read it',
    'Read it again, and send the new ETag in `If-Match`.',
  ),
  body_too_large: entry(413, 'The body is too large', 'Keep the body within the limit that `detail` states.'),
  uri_too_long: entry(414, 'The address is too long', 'Shorten the query.'),
  unsupported_media_type: entry(
    415,
    'The body has a type that is not taken',
    'Send `Content-Type: application/json`.',
  ),
  idempotency_mismatch: entry(
    422,
    'The idempotency key was used for another request',
    'Use a new `Idempotency-Key` for a new request.',
  ),
  request_id_reused: entry(
    422,
    'The request id was used for another verification',
    'Use a new `requestId` for each verification; repeat one only to retry.',
  ),
  unknown_limit: entry(
    422,
    'The key has no limit of that name',
    'Name only limits that the key carries, or add the limit to the key.',
  ),
  event_too_large: entry(
    413,
    'The change is too large for one event',
    'Send less: names, metadata, scopes and limits together stay below 256 KiB.',
  ),
  headers_too_large: entry(431, 'The headers are too large', 'Send fewer or shorter headers.'),
  too_many_requests: entry(429, 'Too many requests', 'Wait for the seconds that `Retry-After` states.'),
  internal: entry(500, 'Something broke here', 'Try again; if it stays, report the request id.'),
  overloaded: entry(503, 'Too busy to answer in time', 'Wait for the seconds that `Retry-After` states.'),
  unavailable: entry(
    503,
    'Something that this needs is away',
    'Wait for the seconds that `Retry-After` states.',
  ),
  verify_stale: entry(
    503,
    "A key, the one asked about or the caller's own, cannot be judged on fresh facts",
    'Wait for the seconds that `Retry-After` states; do not let the call through.',
  ),
  stream_parked: entry(
    503,
    'An event of this could not be projected',
    'An operator must replay or discard it: `plinth projections parked`.',
  ),
  projection_behind: entry(
    503,
    'The read model has not reached the position asked for',
    'Try again, or leave out `Plinth-Position` to read what is there.',
  ),
  log_epoch_changed: entry(
    503,
    'The log under this process was replaced',
    'An operator must follow the instructions in the log of this process.',
  ),
  shutting_down: entry(
    503,
    'This process is stopping',
    'Send the request again; another process will take it.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface FieldFault {
  /** JSON path into the body, or `query.<name>`, `path.<name>`, `header.<name>`. */
  readonly field: string;
  readonly message: string;
}

/** What a decider or a handler answers when it refuses. */
export interface Rejection {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors?: readonly FieldFault[];
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A rejection on its way up, where nobody between can choose. */
export class PlinthError extends Error {
  override readonly name = 'PlinthError';
  readonly rejection: Rejection;
  constructor(
    code: ErrorCode,
    detail: string,
    more: Omit<Rejection, 'code' | 'detail'> = {},
    options?: ErrorOptions,
  ) {
    super(`${code}: ${detail}`, options);
    this.rejection = { code, detail, ...more };
  }
}
