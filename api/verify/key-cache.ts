/** Rows that verify has read, each with the stamp of the snapshot that it was read in. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../commands/clock.ts';
import { isRevoked } from '../../commands/keys/is-revoked.ts';
import { lean } from '../../commands/keys/key-state.ts';
import type { KeyLookup, VerifyRow, VerifyRows } from '../../projections/keys/verify-row.ts';
import type { Stamp } from '../../projections/projection.ts';
import { withDeadline } from '../../projections/single-flight.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { type StampedEntry, stampedEntry } from './key-entry.ts';
import type { SecondLevel } from './second-level.ts';

/** Reads rows and their stamp in one snapshot on the primary; at most `MAX_ROWS_PER_LOAD`. */
export type LoadRows = (lookups: readonly KeyLookup[]) => Promise<VerifyRows>;

/** About 2 kB each. */
export const MAX_ENTRIES = 50_000;
/** Ids that no key has; only well-formed ones with a right checksum come this far. */
export const MAX_NEGATIVE_ENTRIES = 10_000;
export const MAX_ROWS_PER_LOAD = 100;
const MAX_LOADS_IN_FLIGHT = 4;
const MAX_WAITING_LOOKUPS = 10_000;
const LOAD_DEADLINE_MS = 1_000;

export interface KeyCacheDeps {
  readonly load: LoadRows;
  readonly clock: Clock;
  /** Told of every snapshot that entries were made from. */
  readonly saw: (stamp: Stamp) => void;
  /**
   * Whether the log holds the event of the stamp: a projector that stood still while the log lost its tail
   * commits rows of the lost part, and no poll may have seen them yet.
   */
  readonly confirm: (stamp: Stamp) => Promise<boolean>;
  /** Where processes share what they have read. */
  readonly shared?: SecondLevel | undefined;
  readonly maxEntries?: number;
  readonly maxNegativeEntries?: number;
}

interface Waiting {
  readonly name: string;
  readonly lookup: KeyLookup;
  readonly resolve: (entry: StampedEntry) => void;
  readonly reject: (error: unknown) => void;
}

export class KeyCache {
  readonly #deps: KeyCacheDeps;
  readonly #entries: LRUCache<string, StampedEntry>;
  readonly #negative: LRUCache<string, StampedEntry>;
  /** Look-ups asked for and not yet answered, by name: concurrent ones share. */
  readonly #flights = new Map<string, Promise<StampedEntry>>();
  #waiting: Waiting[] = [];
  #loads = 0;
  #pumping = false;
  /** Goes up when the history was replaced: what was on its way then is not kept. */
  #history = 0;

  constructor(deps: KeyCacheDeps) {
    this.#deps = deps;
    this.#entries = new LRUCache({ max: deps.maxEntries ?? MAX_ENTRIES });
    this.#negative = new LRUCache({ max: deps.maxNegativeEntries ?? MAX_NEGATIVE_ENTRIES });
  }

  get size(): number {
    return this.#entries.size + this.#negative.size;
  }

  /** What is held under a name, usable or not. */
  get(name: string): StampedEntry | undefined {
    return this.#entries.get(name) ?? this.#negative.get(name);
  }

  /** What another process has read and may be used now, or null. Never rejects. */
  async recall(name: string, lookup: KeyLookup): Promise<StampedEntry | null> {
    const history = this.#history;
    const entry = (await this.#deps.shared?.find(name)) ?? null;
    if (entry !== null && history === this.#history) this.#keep(name, lookup, entry);
    return entry;
  }

  /**
   * Reads the row anew, in one statement with others that are asked for meanwhile. Rejects also when the
   * log cannot be asked whether it holds what the row is of.
   */
  load(name: string, lookup: KeyLookup): Promise<StampedEntry> {
    const flight = this.#flights.get(name);
    if (flight) return flight;
    if (this.#waiting.length >= MAX_WAITING_LOOKUPS) {
      return Promise.reject(new PlinthError('overloaded', `${MAX_WAITING_LOOKUPS} keys wait to be read.`));
    }
    const loaded = new Promise<StampedEntry>((resolve, reject) => {
      this.#waiting.push({ name, lookup, resolve, reject });
    }).finally(() => this.#flights.delete(name));
    this.#flights.set(name, loaded);
    if (!this.#pumping) {
      this.#pumping = true;
      queueMicrotask(() => {
        this.#pumping = false;
        this.#pump();
      });
    }
    return loaded;
  }

  /** Forgets everything: the history was replaced, or an operator wants it so. */
  drop(): void {
    this.#history++;
    this.#entries.clear();
    this.#negative.clear();
  }

  #pump(): void {
    while (this.#loads < MAX_LOADS_IN_FLIGHT && this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_ROWS_PER_LOAD);
      this.#loads++;
      this.#loadBatch(batch).finally(() => {
        this.#loads--;
        this.#pump();
      });
    }
  }

  async #loadBatch(batch: readonly Waiting[]): Promise<void> {
    const history = this.#history;
    try {
      const load = this.#deps.load(batch.map((waiting) => waiting.lookup));
      const { stamp, halted, rows } = await withDeadline(this.#deps.clock, LOAD_DEADLINE_MS, load);
      if (halted !== null) throw new PlinthError('log_epoch_changed', halted);
      this.#deps.saw(stamp);
      if (!(await this.#deps.confirm(stamp)))
        throw new Error('The log does not hold what these rows are of.');
      const read: { name: string; entry: StampedEntry }[] = [];
      for (const [index, waiting] of batch.entries()) {
        const entry = entryOf(waiting.lookup, rows[index]!, stamp);
        if (history === this.#history) this.#keep(waiting.name, waiting.lookup, entry);
        if (isShared(waiting.lookup, entry)) read.push({ name: waiting.name, entry });
        waiting.resolve(entry);
      }
      if (history === this.#history) this.#deps.shared?.put(read);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }

  #keep(name: string, lookup: KeyLookup, entry: StampedEntry): void {
    const held = this.get(name);
    if (held && newer(held.stamp, entry.stamp)) return;
    if (!isLasting(lookup, entry)) {
      this.#entries.delete(name);
    } else if (entry.key !== null) {
      this.#negative.delete(name);
      this.#entries.set(name, entry);
    } else {
      this.#entries.delete(name);
      this.#negative.set(name, entry);
    }
  }
}

/** Of a foreign key that is none, or none any more, a later import of the same digest would touch no stream. */
function isLasting(lookup: KeyLookup, entry: StampedEntry): boolean {
  return 'keyId' in lookup || (entry.key !== null && !isRevoked(entry.key, entry.owner));
}

/** Ids that nobody has are not: whoever makes them up would fill the shared cache. */
function isShared(lookup: KeyLookup, entry: StampedEntry): boolean {
  return entry.key !== null && isLasting(lookup, entry);
}

function newer(a: Stamp, b: Stamp): boolean {
  return a.epoch === b.epoch && a.revision === b.revision && a.position > b.position;
}

function entryOf(lookup: KeyLookup, row: VerifyRow, stamp: Stamp): StampedEntry {
  // The first revision of the rows held names; it serves until the one that holds none has caught up.
  const key = row.key && lean(row.key);
  const keyId = key?.keyId ?? ('keyId' in lookup ? lookup.keyId : null);
  const suspended = row.tenant?.suspended ?? false;
  const parked = row.parked.key || row.parked.owner || row.parked.tenant;
  return stampedEntry({ key, owner: row.owner, suspended, parked }, keyId, stamp);
}
