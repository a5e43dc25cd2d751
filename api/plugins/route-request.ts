/** What a handler sees of a request; what is rarely asked for is worked out when it is. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CommandContext } from '../../commands/execute.ts';
import { commandIdOf, uuidv5 } from '../../commands/ids.ts';
import type { CommandId, Position, TenantId } from '../../schemas/envelope.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import type { RouteRequest } from '../route.ts';
import { peerIp } from './access.ts';
import { idempotencyKeyOf } from './idempotency-key.ts';
import { type TraceContext, traceContext } from './trace-context.ts';
import type { Parts } from './validate.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
    trace: TraceContext | null;
  }
}

const EMPTY = new Uint8Array(0);

export class HandledRequest implements RouteRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly ifVersion: number | undefined;
  readonly atLeast: Position | undefined;
  readonly #deps: ApiDeps<unknown>;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #operation: string;
  #signal: AbortSignal | undefined;
  #minted: string | undefined;

  constructor(
    deps: ApiDeps<unknown>,
    operation: string,
    request: FastifyRequest,
    reply: FastifyReply,
    parts: Parts,
    demands: { readonly ifVersion: number | undefined; readonly atLeast: Position | undefined },
  ) {
    this.params = parts.params;
    this.query = parts.query;
    this.body = parts.body;
    this.ifVersion = demands.ifVersion;
    this.atLeast = demands.atLeast;
    this.#deps = deps;
    this.#request = request;
    this.#reply = reply;
    this.#operation = operation;
  }

  get caller(): Caller {
    const { caller } = this.#request;
    if (!caller) throw new Error(`${this.#operation} is public: it has no caller`);
    return caller;
  }

  get requestId(): string {
    return this.#request.id;
  }

  get trace(): TraceContext {
    return traceOf(this.#deps, this.#request);
  }

  get peerIp(): string {
    return peerIp(this.#request);
  }

  get accept(): string {
    return this.#request.headers.accept ?? '*/*';
  }

  get acceptEncoding(): string | undefined {
    const { 'accept-encoding': header } = this.#request.headers;
    return header as string | undefined;
  }

  get ifNoneMatch(): string | undefined {
    return this.#request.headers['if-none-match'];
  }

  get lastEventId(): string | undefined {
    const { 'last-event-id': id } = this.#request.headers;
    return typeof id === 'string' && id !== '' ? id : undefined;
  }

  get signal(): AbortSignal {
    if (!this.#signal) {
      const controller = new AbortController();
      const { raw } = this.#reply;
      raw.once('close', () => {
        if (!raw.writableFinished) controller.abort();
      });
      this.#signal = controller.signal;
    }
    return this.#signal;
  }

  command(target: string, tenant?: TenantId): CommandContext {
    const { caller } = this;
    const key = idempotencyKeyOf(this.#request.headers['idempotency-key']);
    // Without a key, each target of the request still has a command of its own.
    const id =
      key !== undefined
        ? commandIdOf(caller.tenant, caller.keyId, this.#operation, target, key)
        : (uuidv5('command', this.#mint(), target) as CommandId);
    return {
      commandId: id,
      tenant: tenant ?? caller.tenant,
      actor: caller.keyId,
      requestDigest: this.#deps.requestDigest(this.#request.bodyBytes ?? EMPTY),
      correlationId: this.#request.id,
      causationId: null,
      traceparent: this.trace.traceparent,
    };
  }

  #mint(): string {
    this.#minted ??= Buffer.from(this.#deps.random.bytes(16)).toString('hex');
    return this.#minted;
  }
}

export function traceOf(deps: Pick<ApiDeps<unknown>, 'random'>, request: FastifyRequest): TraceContext {
  request.trace ??= traceContext(deps.random, request.headers.traceparent);
  return request.trace;
}
