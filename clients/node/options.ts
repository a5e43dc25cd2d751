/** What callers of the client give it, and what it gives back beyond the types of the API. */
import type { TransportOptions } from './transport.ts';
import type * as t from './types.ts';

export interface PlinthClientOptions {
  /** Where the API is; `http://127.0.0.1:7400` unless given. */
  readonly url?: string;
  /** A management key, or a function that answers one. */
  readonly key: TransportOptions['key'];
  /** Milliseconds for a call with all its attempts; 10 000 unless given. */
  readonly deadlineMs?: number;
  /** Milliseconds for one attempt; 3 000 unless given. */
  readonly attemptTimeoutMs?: number;
  /** Attempts of a call; 3 unless given. */
  readonly maxAttempts?: number;
  readonly fetch?: typeof globalThis.fetch;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** `position` of an earlier answer: the read waits until it shows that. */
  readonly position?: string;
}
export interface WriteOptions extends CallOptions {
  /** The same key with the same request is the same command; made for each call unless given. */
  readonly idempotencyKey?: string;
  /** The version that you read: another one answers `precondition_failed`. */
  readonly ifVersion?: number;
}

export interface KeyFilter {
  readonly ownerId?: string;
  readonly status?: t.KeyStatus;
  readonly use?: 'management' | 'api';
  readonly scope?: string;
  /** Verified at this time or later, RFC 3339. */
  readonly usedFrom?: string;
  /** Part of the name, or the start of the id. */
  readonly q?: string;
}
export interface UsageRange {
  readonly interval?: 'minute' | 'hour' | 'day';
  readonly from?: string;
  readonly to?: string;
}
export interface Usage {
  readonly interval: string;
  readonly from: string;
  readonly to: string;
  readonly points: readonly {
    readonly at: string;
    readonly counts: Readonly<Partial<Record<t.VerifyCode, number>>>;
  }[];
}

/** What a write answers, with the place in the log that it led to: hand it to a read to see it there. */
export type Written<T> = T & { readonly position: string | null };
