/** One call: sent, and sent again where that can do no harm, until an answer or the deadline. */
import { PlinthClientError, type ProblemBody } from './errors.ts';

export interface TransportOptions {
  /** Where the API is, e.g. `https://plinth.example.com`. */
  readonly url: string;
  /** A management key, or what answers one at each call (a key that rotates). */
  readonly key: string | (() => string | Promise<string>);
  /** A call with all its attempts ends within this time. */
  readonly deadlineMs: number;
  /** One attempt ends within this time. */
  readonly attemptTimeoutMs: number;
  readonly maxAttempts: number;
  readonly fetch: typeof globalThis.fetch;
  readonly userAgent: string;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** Whether sending it twice does no more than sending it once. */
  readonly repeatable: boolean;
}

export interface Answer<T> {
  readonly body: T;
  readonly status: number;
  readonly headers: Headers;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;
/** Answers after which the same call may succeed. */
const WORTH_REPEATING = new Set([408, 429, 500, 502, 503, 504]);
/** An operator must act first, or the request must change. */
const NOT_WORTH_REPEATING = new Set(['stream_parked', 'log_epoch_changed', 'projection_behind']);

export async function send<T>(options: TransportOptions, call: Call): Promise<Answer<T>> {
  const endsAt = performance.now() + options.deadlineMs;
  for (let attempt = 1; ; attempt++) {
    const failure = await tryOnce<T>(options, call, endsAt, attempt);
    if (!(failure instanceof PlinthClientError)) return failure;
    const again = call.repeatable && attempt < options.maxAttempts && mayHelp(failure);
    if (!again) throw failure;
    // What the server says to wait counts; else full jitter, so that clients do not come back together.
    const told = (failure.problem?.retryAfterSeconds ?? 0) * 1000;
    const jitter = Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
    const pauseMs = told + jitter;
    if (performance.now() + pauseMs >= endsAt) throw failure;
    await pause(pauseMs, call.signal);
  }
}

function mayHelp(failure: PlinthClientError): boolean {
  if (failure.code === 'no_answer') return true;
  if (NOT_WORTH_REPEATING.has(failure.code)) return false;
  return failure.status !== null && WORTH_REPEATING.has(failure.status);
}

async function tryOnce<T>(
  options: TransportOptions,
  call: Call,
  endsAt: number,
  attempts: number,
): Promise<Answer<T> | PlinthClientError> {
  const leftMs = endsAt - performance.now();
  if (leftMs <= 0) {
    return new PlinthClientError('deadline', `No answer within ${options.deadlineMs} ms.`, { attempts });
  }
  const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(Math.min(leftMs, options.attemptTimeoutMs))));
  const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
  let response: Response;
  let text: string;
  try {
    const key = typeof options.key === 'string' ? options.key : await options.key();
    response = await options.fetch(addressOf(options.url, call), {
      method: call.method,
      headers: headersOf(options, call, key),
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      redirect: 'error',
      signal,
    });
    text = await response.text();
  } catch (cause) {
    if (call.signal?.aborted) {
      return new PlinthClientError('aborted', 'The call was aborted.', { attempts, cause });
    }
    const why = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message;
    const within = timeout.aborted ? ` within ${options.attemptTimeoutMs} ms` : `: ${why}`;
    return new PlinthClientError('no_answer', `${options.url} did not answer${within}.`, { attempts, cause });
  }
  return judge<T>(options, response, text, attempts);
}

function judge<T>(
  options: TransportOptions,
  response: Response,
  text: string,
  attempts: number,
): Answer<T> | PlinthClientError {
  const { status, headers } = response;
  let body: unknown;
  try {
    body = text === '' ? null : JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (response.ok && body !== undefined) return { body: body as T, status, headers };
  if (response.ok || typeof body !== 'object' || body === null || !('code' in body)) {
    const problem = { retryAfterSeconds: retryAfterOf(headers) };
    const message = `${options.url} answered ${status} without a problem of Plinth: is it the right address?`;
    return new PlinthClientError('not_plinth', message, { status, problem, attempts });
  }
  const problem = { retryAfterSeconds: retryAfterOf(headers), ...body } as ProblemBody;
  const told = problem.detail ?? problem.title ?? 'Refused.';
  // The detail may tell the first of them already.
  const faults = (problem.errors ?? [])
    .map((fault) => `${fault.field}: ${fault.message}`)
    .filter((fault) => !told.includes(fault));
  const message = [told, ...faults].join(' ');
  return new PlinthClientError(problem.code!, message, { status, problem, attempts });
}

/** Whole seconds, or an HTTP date. */
function retryAfterOf(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

function addressOf(base: string, call: Call): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  const search = query.size > 0 ? `?${query}` : '';
  return `${base.replace(/\/+$/, '')}${call.path}${search}`;
}

function headersOf(options: TransportOptions, call: Call, key: string): Record<string, string> {
  const headers: Record<string, string> = {
    accept: 'application/json',
    authorization: `Bearer ${key}`,
    'user-agent': options.userAgent,
  };
  if (call.body !== undefined) headers['content-type'] = 'application/json';
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
    if (signal?.aborted) done();
  });
}
