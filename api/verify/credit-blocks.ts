/**
 * Credits are spent from blocks that this process has leased by an event on the key's stream. A block is
 * held in memory and nowhere else, and taken up once per lease event: a crash can lose a block, never
 * mint one. Only the decider says that a key is exhausted.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../commands/clock.ts';
import type { KeyState } from '../../commands/keys/key-state.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { CreditLeases, Leased } from './credit-leases.ts';

export type { CreditLeases, Leased };

/** Keys whose block is held, or known to be empty; the least used block is given back to make room. */
export const MAX_BLOCKS = 50_000;

/**
 * Leases that one call may wait for before it is told to come again. A lease is at most 1 % of the
 * balance, so a large cost is gathered from several; what was gathered stays for the next attempt.
 */
const MAX_ROUNDS = 200;
/** Between two questions about an exhausted key whose refill is due and not yet written. */
const ASK_EVERY_MS = 250;
/** Units that one lease asks for, unless more wait: what a crash can lose of a very large balance. */
const UNITS_ASKED = 10_000;
const MAX_RETURNS_IN_FLIGHT = 16;

interface Lease {
  readonly id: string;
  left: number;
}

interface Block {
  readonly tenant: string;
  readonly keyId: string;
  /** The balance that it was taken from: a later one voids it. */
  readonly sinceVersion: number;
  leases: Lease[];
  left: number;
  /** The key's balance and version after the latest lease. */
  remaining: number;
  version: number;
}

interface Empty {
  readonly version: number;
  readonly refillAtMs: number | null;
  /** Until then the decider is not asked again unless the key changes. */
  readonly untilMs: number;
}

export type Spent =
  | {
      readonly ok: true;
      /** Of the balance and our own block; approximate while other processes hold blocks. */
      readonly remaining: number;
      readonly undo: () => void;
    }
  | { readonly ok: false; readonly remaining: number; readonly retryAtMs: number | null };

export class CreditBlocks {
  readonly #deps: { readonly leases: CreditLeases; readonly clock: Clock };
  readonly #blocks: LRUCache<string, Block>;
  readonly #empty: LRUCache<string, Empty>;
  readonly #flights = new Map<string, Promise<Leased>>();
  /** Units that wait to be spent, by key. */
  readonly #demand = new Map<string, number>();
  readonly #returns = new Set<Promise<void>>();
  #history = 0;
  #closed = false;
  #lostUnits = 0;

  constructor(deps: { readonly leases: CreditLeases; readonly clock: Clock; readonly maxBlocks?: number }) {
    this.#deps = deps;
    const max = deps.maxBlocks ?? MAX_BLOCKS;
    this.#empty = new LRUCache({ max });
    this.#blocks = new LRUCache({
      max,
      dispose: (block, _keyId, reason) => {
        if (reason === 'evict') this.#giveBack(block);
      },
    });
  }

  /** Units that could not be given back, since the start. */
  get lostUnits(): number {
    return this.#lostUnits;
  }

  /** Spends at once from the block that is held, or leases one first. */
  spend(key: KeyState, units: number): Spent | Promise<Spent> {
    return this.#fromBlock(key, units) ?? this.#fromLease(key, units);
  }

  /** Whether the units could be spent, as far as is known without asking; else asks, and spends nothing. */
  async peek(key: KeyState, units: number): Promise<Spent> {
    const left = this.#usable(key)?.left ?? 0;
    const remaining = this.remaining(key);
    if (left >= units || (remaining >= units && !this.#isEmpty(key))) {
      return { ok: true, remaining, undo: () => {} };
    }
    const spent = await this.spend(key, units);
    if (spent.ok) spent.undo();
    return spent;
  }

  /** The balance as far as this process knows: what the key has, and its own block. */
  remaining(key: KeyState): number {
    const credits = key.credits;
    if (credits === null) return 0;
    const block = this.#usable(key);
    if (block === undefined) return credits.remaining;
    // Facts from before the lease still hold what the block has taken.
    return block.left + (key.version >= block.version ? credits.remaining : block.remaining);
  }

  /** The history was replaced: leases of the old one may never have happened. */
  drop(): void {
    this.#history++;
    this.#blocks.clear();
    this.#empty.clear();
  }

  /** Gives back what is held. Answers how many units could not be. */
  async close(): Promise<number> {
    this.#closed = true;
    await Promise.allSettled([...this.#flights.values()]);
    const lostBefore = this.#lostUnits;
    for (const block of [...this.#blocks.values()]) {
      this.#blocks.delete(block.keyId);
      this.#giveBack(block);
      while (this.#returns.size >= MAX_RETURNS_IN_FLIGHT) await Promise.race(this.#returns);
    }
    await Promise.all(this.#returns);
    return this.#lostUnits - lostBefore;
  }

  #usable(key: KeyState): Block | undefined {
    const block = this.#blocks.get(key.keyId);
    if (block === undefined || key.credits === null) return undefined;
    if (block.sinceVersion >= key.credits.sinceVersion) return block;
    this.#blocks.delete(key.keyId);
    return undefined;
  }

  #fromBlock(key: KeyState, units: number): Spent | undefined {
    const block = this.#usable(key);
    if (block === undefined || block.left < units) return undefined;
    const parts = take(block, units);
    return {
      ok: true,
      remaining: this.remaining(key),
      undo: () => {
        for (const { lease, units: back } of parts) {
          lease.left += back;
          block.left += back;
          if (!block.leases.includes(lease)) block.leases.push(lease);
        }
      },
    };
  }

  /** The decider's word, as long as nothing that it knows of can have changed it. */
  #isEmpty(key: KeyState): Empty | undefined {
    const empty = this.#empty.get(key.keyId);
    if (empty === undefined) return undefined;
    return key.version > empty.version || this.#deps.clock.now() >= empty.untilMs ? undefined : empty;
  }

  async #fromLease(key: KeyState, units: number): Promise<Spent> {
    this.#demand.set(key.keyId, (this.#demand.get(key.keyId) ?? 0) + units);
    try {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const spent = this.#fromBlock(key, units);
        if (spent !== undefined) return spent;
        const empty = this.#isEmpty(key);
        if (empty) return { ok: false, remaining: this.remaining(key), retryAtMs: empty.refillAtMs };
        if (this.#closed) throw new PlinthError('shutting_down', 'This process leases no more credits.');
        const leased = await this.#lease(key);
        // Needs none any more: our facts are from before that.
        if (leased.key.credits === null) return { ok: true, remaining: 0, undo: () => {} };
        // Said of an older state than ours, it is not the last word.
        if (leased.kind === 'exhausted' && leased.key.version >= key.version) {
          return (
            this.#fromBlock(key, units) ?? {
              ok: false,
              remaining: this.remaining(key),
              retryAtMs: leased.refillAtMs,
            }
          );
        }
      }
    } finally {
      const demand = this.#demand.get(key.keyId)! - units;
      if (demand > 0) this.#demand.set(key.keyId, demand);
      else this.#demand.delete(key.keyId);
    }
    throw new PlinthError('overloaded', 'Too many calls wait for credits of this key.', {
      extra: { retryAfterSeconds: 1 },
    });
  }

  /** One lease at a time for a key, for all who wait. */
  #lease(key: KeyState): Promise<Leased> {
    const { keyId } = key;
    const flight = this.#flights.get(keyId);
    if (flight !== undefined) return flight;
    const missing = (this.#demand.get(keyId) ?? 0) - (this.#usable(key)?.left ?? 0);
    const units = Math.max(UNITS_ASKED, missing);
    const own = this.#takeUp(key, units).finally(() => this.#flights.delete(keyId));
    this.#flights.set(keyId, own);
    return own;
  }

  async #takeUp(key: KeyState, units: number): Promise<Leased> {
    const history = this.#history;
    let leased: Leased;
    try {
      leased = await this.#deps.leases.lease(key.tenant, key.keyId, units);
    } catch (error) {
      throw refused(error);
    }
    if (history !== this.#history) return leased;
    const state = leased.key;
    if (leased.kind === 'exhausted') {
      if (state.credits === null) return leased;
      const { refillAtMs } = leased;
      const untilMs =
        refillAtMs === null
          ? Number.POSITIVE_INFINITY
          : Math.max(refillAtMs, this.#deps.clock.now() + ASK_EVERY_MS);
      this.#empty.set(key.keyId, { version: state.version, refillAtMs, untilMs });
      return leased;
    }
    const credits = state.credits!;
    let block = this.#blocks.get(key.keyId);
    if (block === undefined || block.sinceVersion !== credits.sinceVersion) {
      block = {
        tenant: key.tenant,
        keyId: key.keyId,
        sinceVersion: credits.sinceVersion,
        leases: [],
        left: 0,
        remaining: 0,
        version: 0,
      };
    }
    block.leases.push({ id: leased.leaseId, left: leased.amount });
    block.left += leased.amount;
    block.remaining = credits.remaining;
    block.version = state.version;
    this.#empty.delete(key.keyId);
    this.#blocks.set(key.keyId, block);
    return leased;
  }

  /** One lease after the other: they are all on the key's one stream, where they would only meet. */
  #giveBack(block: Block): void {
    const returning = async () => {
      for (const { id, left } of block.leases) {
        if (left === 0) continue;
        await this.#deps.leases.giveBack(block.tenant, block.keyId, id, left).catch(() => {
          this.#lostUnits += left;
        });
      }
    };
    const returned = returning().finally(() => this.#returns.delete(returned));
    this.#returns.add(returned);
  }
}

function take(block: Block, units: number): { lease: Lease; units: number }[] {
  const parts: { lease: Lease; units: number }[] = [];
  let missing = units;
  for (const lease of block.leases) {
    if (missing === 0) break;
    const part = Math.min(lease.left, missing);
    lease.left -= part;
    missing -= part;
    parts.push({ lease, units: part });
  }
  block.left -= units;
  if (block.leases[0]?.left === 0) block.leases = block.leases.filter((lease) => lease.left > 0);
  return parts;
}

/** The decider refuses a lease: the key is no longer what our facts say. */
export class LeaseRefused extends PlinthError {
  constructor(cause: unknown) {
    const extra = { retryAfterSeconds: 1 };
    super('verify_stale', 'The key has changed meanwhile.', { extra }, { cause });
  }
}

/** The decider refuses when the key is no longer what our facts say: then they must not be used. */
function refused(error: unknown): PlinthError {
  const extra = { retryAfterSeconds: 1 };
  const code = error instanceof PlinthError ? error.rejection.code : 'unavailable';
  if (code === 'conflict' || code === 'not_found') {
    return new LeaseRefused(error);
  }
  return new PlinthError('unavailable', 'Credits cannot be leased now.', { extra }, { cause: error });
}
