/**
 * A route, declared as data: one mechanism registers it, validates what comes in, checks the credential
 * and its permission, and writes its part of the OpenAPI document.
 */
import type { z } from 'zod';
import type { CommandContext } from '../commands/execute.ts';
import type { Position, StreamId, TenantId } from '../schemas/envelope.ts';
import type { ErrorCode } from '../schemas/errors.ts';
import type { Permission } from '../schemas/permissions.ts';
import type { Caller } from './deps.ts';
import type { EventConnection } from './event-connection.ts';
import type { TraceContext } from './plugins/trace-context.ts';

/**
 * `anyCredential`: every good management key may ask. `flagsKeys`: keys of these uses alone.
 * `streamToken`: the address carries what the handler judges. `public`: no credential is looked at.
 */
export type Access =
  | { readonly permission: Permission }
  | { readonly anyCredential: true }
  | { readonly flagsKeys: readonly ('flags-server' | 'flags-client')[] }
  | { readonly streamToken: true }
  | { readonly public: true };

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

type Shape = z.ZodType | undefined;
type Parsed<T extends Shape> = T extends z.ZodType ? z.output<T> : undefined;

export interface ResponseSpec {
  readonly description: string;
  /** Absent: no JSON body; see `contentType`. */
  readonly schema?: z.ZodType;
  /** Of a body that is not JSON: the handler answers a string. */
  readonly contentType?: string;
  readonly example?: unknown;
  /** Another form that the answer may take; see `Answer.alternative`. */
  readonly alternative?: z.ZodType;
  readonly alternativeExample?: unknown;
}

export interface RouteSpec<
  P extends Shape = Shape,
  Q extends Shape = Shape,
  B extends Shape = Shape,
  S = never,
> {
  readonly method: Method;
  /** As OpenAPI writes it: `/v1/keys/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly access: Access;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Bytes; more than the usual bound only where the body must be large. */
  readonly maxBodyBytes?: number;
  readonly bodyExample?: unknown;
  /** By status, the 2xx ones; under /ofrep/ all, for refusals have a form of their own there. */
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** What it can refuse with, besides what every route can. */
  readonly problems?: readonly ErrorCode[];
  /** A good answer takes about so many seconds; told in the document where it is more than a moment. */
  readonly seconds?: number;
  /** Takes `Idempotency-Key`. */
  readonly idempotent?: boolean;
  /** Takes `If-Match`. */
  readonly conditional?: boolean;
  /** Takes `Plinth-Position` and waits for the read model to reach it. */
  readonly readsYourWrites?: boolean;
  /**
   * Nothing is checked against the schemas and nothing serialised by them, they are for the document: the
   * handler is given what came in as it is, and what it answers is JSON text.
   */
  readonly raw?: boolean;
  /** Pages of any origin may ask. */
  readonly cors?: boolean;
  handler(request: RouteRequest<Parsed<P>, Parsed<Q>, Parsed<B>>, services: S): Promise<Answer> | Answer;
}

/** What a handler is given: everything checked. */
export interface RouteRequest<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** On public routes there is none: reading it throws. */
  readonly caller: Caller;
  readonly requestId: string;
  readonly trace: TraceContext;
  /** Version that `If-Match` names; undefined: none, or `*`. */
  readonly ifVersion: number | undefined;
  /** Position that the client wants its read to have reached; undefined: none. */
  readonly atLeast: Position | undefined;
  /** Address of the peer, as the socket knows it. */
  readonly peerIp: string;
  /** The raw `Accept` header. */
  readonly accept: string;
  /** The raw `Accept-Encoding` header. */
  readonly acceptEncoding: string | undefined;
  /** The raw `If-None-Match` header. */
  readonly ifNoneMatch: string | undefined;
  /** Of an event source that comes again: the id of what it saw last. */
  readonly lastEventId: string | undefined;
  /** Aborts when the client has gone away. */
  readonly signal: AbortSignal;
  /**
   * The context of a command at `target`: its stream, or for a creation its collection (and slug). The
   * same `Idempotency-Key` at the same target is the same command. `tenant`: the caller's unless given.
   */
  command(target: StreamId | string, tenant?: TenantId): CommandContext;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body has the alternative form. */
  readonly alternative?: boolean;
  /** Answered as `Plinth-Position`. */
  readonly position?: Position | null;
  /** Answered as `ETag`. */
  readonly version?: number;
  /** Answered as `Idempotency-Replayed: true`. */
  readonly replayed?: boolean;
  /**
   * Instead of a body: the answer is an event stream, and this feeds it until its signal aborts. Until it has
   * sent something it may throw what the route refuses with. HEAD does not call it.
   */
  readonly stream?: (connection: EventConnection) => void | Promise<void>;
}

/** A route with its types forgotten, as the mechanism sees it. */
export type Route<S> = Omit<RouteSpec<Shape, Shape, Shape, S>, 'handler'> & {
  handler(request: RouteRequest<never, never, never>, services: S): Promise<Answer> | Answer;
};

/** Checks the parts of a route against each other and keeps their types for the handler. */
export function routesOf<S>() {
  return function defineRoute<
    P extends Shape = undefined,
    Q extends Shape = undefined,
    B extends Shape = undefined,
  >(spec: RouteSpec<P, Q, B, S>): Route<S> {
    return spec as unknown as Route<S>;
  };
}
