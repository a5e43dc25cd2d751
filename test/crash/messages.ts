/** What the driver and the process that is killed say to each other. */
import type { KillPoint } from './kill-points.ts';

export type Operation = 'issue' | 'update' | 'rotate' | 'revoke' | 'revoke-owner';

/** A command as a client sends it: the same idempotency key each time that it is sent again. */
export interface Order {
  readonly operation: Operation;
  /** A key id, or an owner id for `revoke-owner`; null for `issue`. */
  readonly target: string | null;
  readonly idempotencyKey: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Answer =
  | {
      readonly kind: 'accepted';
      readonly replayed: boolean;
      readonly version: number;
      /** Null: it changed nothing. */
      readonly position: string | null;
      /** How many events the command made. */
      readonly events: number;
      /** Of the key, or the owner. */
      readonly id: string;
      readonly secret: string | null;
    }
  | { readonly kind: 'rejected'; readonly code: string }
  /** Nothing is known: a client sends it again. */
  | { readonly kind: 'failed'; readonly why: string };

export type ToChild =
  | {
      readonly kind: 'order';
      readonly attempt: number;
      readonly order: Order;
      /** It was sent before; only a twin looks at it. */
      readonly again: boolean;
    }
  /** Dies at the `nth` time that the point is reached, `delayMs` after it where the point allows a delay. */
  | { readonly kind: 'arm'; readonly point: KillPoint; readonly nth: number; readonly delayMs: number }
  /** Shuts down in order; dies on the way when a point is armed. */
  | { readonly kind: 'stop' };

export type FromChild =
  | {
      readonly kind: 'ready';
      /** Of the database. */
      readonly url: string;
      /** Who gives the commands. */
      readonly actor: string;
    }
  /** The projector holds its lease and has caught up. */
  | { readonly kind: 'live' }
  | { readonly kind: 'answer'; readonly attempt: number; readonly answer: Answer };
