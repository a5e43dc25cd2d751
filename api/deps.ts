/** What the HTTP API is built from. It is handed in: `buildApp` makes nothing that has a life of its own. */
import type { FastifyBaseLogger } from 'fastify';
import type { Clock, Random } from '../commands/clock.ts';
import type { Epoch } from '../schemas/envelope.ts';
import type { KeyUse } from '../schemas/values.ts';
import type { Authenticated, Peer } from './verify/authenticate.ts';

/** Who calls: a management or flags key that was just found good. */
export type Caller = Authenticated;

/** One request, as metrics count it. `route`: the template, or `unmatched`. */
export interface ObservedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

export interface DependencyCheck {
  readonly ok: boolean;
  readonly detail: string | null;
  /** Of a projection. */
  readonly fedBy?: 'log' | 'kafka';
  /** Of the topics that feed it. */
  readonly generation?: number | null;
}

export interface Readiness {
  readonly ready: boolean;
  /** By dependency, e.g. `log`, `database`, `projection:keys`. */
  readonly checks: Readonly<Record<string, DependencyCheck>>;
}

/** What the mechanism itself needs; what handlers use is `Services`. */
export interface ApiDeps<S> {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: FastifyBaseLogger;
  /**
   * Answers the caller behind a credential (the text after `Bearer `), of one of the uses; `management` alone
   * unless given. Throws `PlinthError`
   * `credential_invalid`, `tenant_suspended`, `stream_parked` or `verify_stale`.
   */
  authenticate(credential: string, peer: Peer, uses?: readonly KeyUse[]): Caller | Promise<Caller>;
  /** Addresses of proxies whose `X-Forwarded-For` is believed; none unless given. */
  readonly trustedProxies?: readonly string[];
  /** The history that positions belong to now. */
  epoch(): Epoch;
  /** Keyed digest of a request's body: tells a retry from another request under the same key. */
  requestDigest(body: Uint8Array): string;
  /** Whether the error is that of an engine which is away or has too much to do, by the code of its answer. */
  outage?(error: unknown): 'unavailable' | 'overloaded' | null;
  /** Told of every answer. */
  observe?(request: ObservedRequest): void;
  live(): boolean;
  ready(): Promise<Readiness>;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** Of the product, for the document. */
  readonly version: string;
  readonly services: S;
}
