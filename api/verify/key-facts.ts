/**
 * The facts that a verify is judged on, fresh enough to trust: a cached row; else the same after one
 * shared refresh; else a row that another process has shared; else the row read anew; else the key's, owner's and tenant's streams folded from the
 * log's leader; else none (`verify_stale`). Never facts that are too old.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../commands/clock.ts';
import type { Decider } from '../../commands/decider.ts';
import { evolveKey, lean, noKey } from '../../commands/keys/key-state.ts';
import { evolveOwner, noOwner } from '../../commands/keys/owner-state.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import { evolveTenant, noTenant } from '../../commands/tenants/tenant-state.ts';
import { isFresh } from '../../projections/fresh.ts';
import type { Freshness } from '../../projections/freshness.ts';
import type { KeyLookup } from '../../projections/keys/verify-row.ts';
import { type Position, positionToken, START, type StreamId, type TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { KeyCache } from './key-cache.ts';
import { digestsOf, type KeyEntry, streamsOf } from './key-entry.ts';
import { FoldUnavailable, type StreamFolds } from './stream-folds.ts';

const MAX_FOLDED_ENTRIES = 10_000;
const RETRY_AFTER_SECONDS = 1;

export type FactsSource = 'cache' | 'refresh' | 'shared' | 'row' | 'fold' | 'stale';

export interface KeyFactsDeps {
  readonly freshness: Freshness;
  readonly cache: KeyCache;
  readonly folds: StreamFolds;
  readonly clock: Clock;
  /** Where the facts came from, for metrics. Not told of cache hits. */
  readonly on?: (source: FactsSource) => void;
  readonly maxFoldedEntries?: number;
}

type Folding<S, E> = Pick<Decider<S, never, E>, 'initial' | 'evolve'>;

interface FoldedEntry extends KeyEntry {
  readonly startedMs: number;
  readonly reached: Position;
}

export class KeyFacts {
  readonly #deps: KeyFactsDeps;
  readonly #folded: LRUCache<string, FoldedEntry>;

  #history = 0;

  constructor(deps: KeyFactsDeps) {
    this.#deps = deps;
    this.#folded = new LRUCache({ max: deps.maxFoldedEntries ?? MAX_FOLDED_ENTRIES });
    deps.freshness.onDrop(() => this.drop());
  }

  /** Forgets everything that it and its parts hold. */
  drop(): void {
    this.#history++;
    this.#deps.cache.drop();
    this.#deps.folds.drop();
    this.#folded.clear();
  }

  /**
   * What can be said without waiting, or undefined.
   *
   * @param atLeast a position that the facts must have reached (read your writes)
   */
  now(name: string, atLeast: Position = START): KeyEntry | undefined {
    const { cache, freshness, clock } = this.#deps;
    const entry = cache.get(name);
    if (entry && entry.stamp.position >= atLeast && freshness.usable(entry.stamp, entry.streams))
      return entry;
    if (this.#folded.size === 0 || freshness.halted !== null) return undefined;
    const folded = this.#folded.get(name);
    if (!folded || folded.reached < atLeast) return undefined;
    if (!isFresh(folded.startedMs, clock.now())) return undefined;
    // 5 s are for want of anything better: a change that is known of ends them.
    const touched = folded.streams.some((stream) => this.#changed(stream) > folded.reached);
    return touched ? undefined : folded;
  }

  /** Throws `PlinthError` `verify_stale` or `log_epoch_changed` when nothing can be trusted. */
  async fetch(name: string, lookup: KeyLookup, atLeast: Position = START): Promise<KeyEntry> {
    const { cache, freshness, on } = this.#deps;
    let refreshed = false;
    if (cache.get(name) !== undefined && !freshness.sampled()) {
      await freshness.refresh();
      refreshed = true;
      const entry = this.now(name, atLeast);
      if (entry) {
        on?.('refresh');
        return entry;
      }
    }
    this.#halt();
    // Without a head and a poll nothing that is shared could be used.
    if (freshness.sampled()) {
      const shared = await cache.recall(name, lookup);
      if (shared && shared.stamp.position >= atLeast && freshness.usable(shared.stamp, shared.streams)) {
        on?.('shared');
        return shared;
      }
      this.#halt();
    }
    // The row may be away while the log is not.
    const row = await cache.load(name, lookup).catch((error: unknown) => {
      if (error instanceof PlinthError && error.rejection.code === 'log_epoch_changed') throw error;
      return null;
    });
    if (row && row.stamp.position >= atLeast) {
      if (!freshness.usable(row.stamp, row.streams) && !refreshed) await freshness.refresh();
      if (freshness.usable(row.stamp, row.streams)) {
        on?.('row');
        return row;
      }
    } else if (!refreshed) {
      await freshness.refresh();
    }
    this.#halt();
    if (!('keyId' in lookup)) {
      on?.('stale');
      throw stale('No fresh row places this key, and it does not name its stream.');
    }
    const history = this.#history;
    const folded = await this.#fold(lookup.keyId, atLeast, row?.parked === true);
    if (history !== this.#history) throw stale('The log was replaced while it was read.');
    this.#halt();
    if (folded.reached < atLeast) throw stale('The log has not reached the position asked for.');
    this.#folded.set(name, folded);
    on?.('fold');
    return folded;
  }

  async #fold(keyId: string, atLeast: Position, knownParked: boolean): Promise<FoldedEntry> {
    const { folds, clock, freshness, on } = this.#deps;
    // What is kept of a stream from before a change that is known of is not used.
    const from = (stream: StreamId) => (this.#changed(stream) > atLeast ? this.#changed(stream) : atLeast);
    const fold = <S, E>(decider: Folding<S, E>, stream: StreamId) =>
      folds.fold(decider, stream, from(stream));
    try {
      const key = await fold({ initial: noKey, evolve: evolveKey }, keyStream(keyId));
      const state = key.state !== null && key.state.version > 0 ? lean(key.state) : null;
      const tenant = state && (state.tenant as TenantId);
      const ownerId = state?.ownerId ?? null;
      const [owner, house] = await Promise.all([
        tenant !== null && ownerId !== null
          ? fold({ initial: noOwner, evolve: evolveOwner }, ownerStream(tenant, ownerId))
          : null,
        tenant !== null ? fold({ initial: noTenant, evolve: evolveTenant }, tenantStream(tenant)) : null,
      ]);
      const parts = [key, owner, house].filter((part) => part !== null);
      const startedMs = Math.min(...parts.map((part) => part.startedMs));
      if (!isFresh(startedMs, clock.now())) throw new FoldUnavailable('the log took too long');
      const epoch = freshness.head?.epoch;
      if (epoch === undefined) throw new FoldUnavailable('the head of the log is not known yet');
      const reached = parts.map((part) => part.reached).sort()[0]!;
      return {
        key: state,
        owner: owner?.state ?? noOwner,
        suspended: house?.state?.suspended ?? false,
        parked: knownParked || parts.some((part) => part.state === null),
        streams: streamsOf(keyId, tenant, ownerId),
        digests: digestsOf(state),
        position: positionToken(epoch, reached),
        startedMs,
        reached,
      };
    } catch (error) {
      if (!(error instanceof FoldUnavailable)) throw error;
      on?.('stale');
      this.#halt();
      throw stale(`The read model is too far behind, and ${error.message}.`, error);
    }
  }

  #changed(stream: StreamId): Position {
    return this.#deps.freshness.changed(stream) ?? START;
  }

  #halt(): void {
    const halted = this.#deps.freshness.halted;
    if (halted !== null) {
      throw new PlinthError('log_epoch_changed', halted, {
        extra: { retryAfterSeconds: RETRY_AFTER_SECONDS },
      });
    }
  }
}

function stale(detail: string, cause?: unknown): PlinthError {
  const extra = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  return new PlinthError('verify_stale', detail, { extra }, { cause });
}
