/**
 * The port of the limiter: several named limits at once, all spent or none, exact under concurrency.
 *
 * Its state is not derived from the log. Whoever keeps it forgets it with a restart, so for one window after
 * that a key can be given as much as twice its limit: what was spent before, and a full burst again. One that
 * processes share says what it lets through while that which they share is away.
 */
export interface LimitSpend {
  readonly name: string;
  /** Units that a window admits, and the burst. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Units to spend; 0 only looks. */
  readonly cost: number;
}

export interface LimitState {
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
  /** Units that could be spent at once after this answer. */
  readonly remaining: number;
  /** Whole seconds until all units are back. */
  readonly resetSeconds: number;
  /** Whether this limit alone would admit the cost. */
  readonly admits: boolean;
  /** Whole seconds until it would; 0 when it does, null when it never will: the cost exceeds the limit. */
  readonly retryAfterSeconds: number | null;
}

export interface LimitAnswer {
  readonly admitted: boolean;
  /** In the order asked. When not admitted, nothing was spent. */
  readonly limits: readonly LimitState[];
}

export interface Limiter {
  /** Spends the cost of every limit, or of none. At once, where the state is in this process. */
  take(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer | Promise<LimitAnswer>;
  /** The same answer, with nothing spent. */
  peek(tenant: string, keyId: string, spends: readonly LimitSpend[]): LimitAnswer | Promise<LimitAnswer>;
  /**
   * Why what is spent does not count in every process that serves, in words that hold no secret; null: it does.
   * Each admits its share meanwhile, and what must not happen more often then (issuing keys) is refused.
   */
  unshared(): string | null;
}
