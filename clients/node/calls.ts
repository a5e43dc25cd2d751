/** The calls that everything here is made of: reads, pages of them, and writes that may be sent again. */
import type { CallOptions, PlinthClientOptions, WriteOptions, Written } from './options.ts';
import { type Answer, type Call, send, type TransportOptions } from './transport.ts';

const PAGE_ITEMS = 100;
type Query = NonNullable<Call['query']>;

export interface Calls {
  readonly options: TransportOptions;
  get<T>(path: string, query: Query, options: CallOptions): Promise<Answer<T>>;
  /** One that is repeatable without an `Idempotency-Key`. */
  post<T>(path: string, body: unknown, options: CallOptions): Promise<Answer<T>>;
  write<T extends object>(
    method: Call['method'],
    path: string,
    body: unknown,
    options?: WriteOptions,
    transport?: TransportOptions,
  ): Promise<Written<T>>;
  /** From page to page, each fetched when it is needed; `items` names the list in the answer. */
  pages<T>(path: string, items: string, query: Query, options: CallOptions): AsyncGenerator<T>;
}

export function callsOf(given: PlinthClientOptions): Calls {
  const options: TransportOptions = {
    url: given.url ?? 'http://127.0.0.1:7400',
    key: given.key,
    deadlineMs: given.deadlineMs ?? 10_000,
    attemptTimeoutMs: given.attemptTimeoutMs ?? 3_000,
    maxAttempts: given.maxAttempts ?? 3,
    fetch: given.fetch ?? globalThis.fetch.bind(globalThis),
    userAgent: 'plinth-client-node/1',
  };
  const once = <T>(
    call: Omit<Call, 'headers' | 'signal' | 'repeatable'>,
    { position, signal }: CallOptions,
  ) => send<T>(options, { ...call, headers: { 'plinth-position': position }, signal, repeatable: true });
  const calls: Calls = {
    options,
    get: (path, query, callOptions) => once({ method: 'GET', path, query }, callOptions),
    post: (path, body, callOptions) => once({ method: 'POST', path, body }, callOptions),
    async write<T extends object>(
      method: Call['method'],
      path: string,
      body: unknown,
      { idempotencyKey, ifVersion, signal }: WriteOptions = {},
      transport = options,
    ) {
      const headers = {
        'idempotency-key': idempotencyKey ?? crypto.randomUUID(),
        'if-match': ifVersion === undefined ? undefined : `"${ifVersion}"`,
      };
      const answer = await send<T>(transport, { method, path, body, headers, signal, repeatable: true });
      return { ...answer.body, position: answer.headers.get('plinth-position') };
    },
    async *pages<T>(path: string, items: string, query: Query, callOptions: CallOptions) {
      let cursor: string | undefined;
      do {
        const asked = { ...query, limit: PAGE_ITEMS, cursor };
        const { body } = await calls.get<Record<string, unknown>>(path, asked, callOptions);
        yield* body[items] as T[];
        cursor = (body.nextCursor as string | null) ?? undefined;
      } while (cursor !== undefined);
    },
  };
  return calls;
}
