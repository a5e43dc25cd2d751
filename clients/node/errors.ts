import type { ErrorCode } from './types.ts';

/** What the client itself can fail with. */
export type ClientErrorCode = 'no_answer' | 'deadline' | 'aborted' | 'not_plinth';

export interface ProblemBody {
  readonly code?: ErrorCode;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  readonly requestId?: string;
  readonly retryAfterSeconds?: number;
  readonly [member: string]: unknown;
}

/** Every failure of a call. `code` is stable: switch on it. */
export class PlinthClientError extends Error {
  override readonly name = 'PlinthClientError';
  readonly code: ErrorCode | ClientErrorCode;
  /** HTTP status; null when there was no answer. */
  readonly status: number | null;
  /** The problem as the API answered it; null when there was no answer. */
  readonly problem: ProblemBody | null;
  /** How often it was tried. */
  readonly attempts: number;

  constructor(
    code: PlinthClientError['code'],
    message: string,
    more: {
      status?: number | null;
      problem?: ProblemBody | null;
      attempts: number;
      cause?: unknown;
    },
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status ?? null;
    this.problem = more.problem ?? null;
    this.attempts = more.attempts;
  }
}
