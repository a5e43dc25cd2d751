/**
 * Looks for entries where processes share them, between this process's own cache and the row. An entry is
 * given out only if it may be used by the same rule as our own, and the log holds the event of its stamp.
 *
 * Of many processes that miss at once, one reads the row and the others wait for it a moment. Nothing rests
 * on that: who has waited long enough, or cannot ask, reads the row itself.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Stamp } from '../../projections/projection.ts';
import { withDeadline } from '../../projections/single-flight.ts';
import type { StampedEntry } from './key-entry.ts';
import { MAX_SHARED_NAMES, type SharedCache, type SharedRecord } from './shared-cache.ts';
import type { SharedEntries } from './shared-entry.ts';

/** The whole look-up, waiting included: then the row is read. */
const LOOK_DEADLINE_MS = 100;
/** A process that dies with a claim holds nobody up for longer. */
const CLAIM_MS = 100;
/** Before each further look for what another process reads. */
const WAITS_MS = [3, 6, 12, 24];
/** After a failure the shared cache is passed by for so long. */
const RETRY_AFTER_FAILURE_MS = 1_000;
const MAX_WAITING_NAMES = 10_000;
const MAX_LOOKS_IN_FLIGHT = 4;
const MAX_PUTS_IN_FLIGHT = 8;
const PUT_DEADLINE_MS = 1_000;

/**
 * `unusable`: an entry was there, and too old; `rejected`: not of our making, or of a history that is gone;
 * `waited`: another process's row came in time; `failed`: the shared cache could not be asked.
 */
export type SharedEvent = 'hit' | 'waited' | 'miss' | 'unusable' | 'rejected' | 'failed' | 'put_failed';

type Outcome = 'hit' | 'miss' | 'unusable' | 'rejected';
type Place = Pick<Stamp, 'epoch' | 'revision'>;
type Answer = (name: string, entry: StampedEntry | null) => void;

export interface SecondLevelDeps {
  readonly shared: SharedCache;
  readonly entries: SharedEntries;
  readonly clock: Clock;
  /** The history and the tables that are current: what is kept under others is never met. Null: not known. */
  readonly place: () => Place | null;
  readonly usable: (entry: StampedEntry) => boolean;
  /** Whether the log holds the event of the stamp. */
  readonly confirm: (stamp: Stamp) => Promise<boolean>;
  readonly on?: ((event: SharedEvent, count: number) => void) | undefined;
}

export class SecondLevel {
  readonly #deps: SecondLevelDeps;
  readonly #flights = new Map<string, Promise<StampedEntry | null>>();
  #waiting: { readonly name: string; readonly resolve: (entry: StampedEntry | null) => void }[] = [];
  #looks = 0;
  #puts = 0;
  #pumping = false;
  #lookFailedMs = Number.NEGATIVE_INFINITY;
  /** Apart from the other: a shared cache that is full can still be read. */
  #putFailedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: SecondLevelDeps) {
    this.#deps = deps;
  }

  /** An entry that may be used now, or null: read the row, and `put` what you find. Never rejects. */
  find(name: string): Promise<StampedEntry | null> {
    const flight = this.#flights.get(name);
    if (flight) return flight;
    if (this.#rests(this.#lookFailedMs) || this.#waiting.length >= MAX_WAITING_NAMES)
      return Promise.resolve(null);
    const found = new Promise<StampedEntry | null>((resolve) => {
      this.#waiting.push({ name, resolve });
    }).finally(() => this.#flights.delete(name));
    this.#flights.set(name, found);
    if (!this.#pumping) {
      this.#pumping = true;
      queueMicrotask(() => {
        this.#pumping = false;
        this.#pump();
      });
    }
    return found;
  }

  /** For others to find. Waits for nothing and promises nothing. */
  put(entries: readonly { readonly name: string; readonly entry: StampedEntry }[]): void {
    if (entries.length === 0 || this.#puts >= MAX_PUTS_IN_FLIGHT || this.#rests(this.#putFailedMs)) return;
    const records: SharedRecord[] = [];
    for (const { name, entry } of entries) {
      const shared = nameOf(name, entry.stamp);
      const text = this.#deps.entries.seal(shared, entry);
      if (text !== null) records.push({ name: shared, position: entry.stamp.position, text });
    }
    this.#puts++;
    withDeadline(
      this.#deps.clock,
      PUT_DEADLINE_MS,
      called(() => this.#deps.shared.put(records)),
    )
      .catch(() => {
        this.#putFailedMs = this.#deps.clock.now();
        this.#deps.on?.('put_failed', records.length);
      })
      .finally(() => {
        this.#puts--;
      });
  }

  #rests(failedMs: number): boolean {
    const passedMs = this.#deps.clock.now() - failedMs;
    return passedMs >= 0 && passedMs < RETRY_AFTER_FAILURE_MS;
  }

  #pump(): void {
    while (this.#looks < MAX_LOOKS_IN_FLIGHT && this.#waiting.length > 0) {
      const batch = new Map(this.#waiting.splice(0, MAX_SHARED_NAMES).map((one) => [one.name, one.resolve]));
      // Each is answered as soon as it is decided; those whose row this process reads wait for no other.
      const answer = (name: string, entry: StampedEntry | null) => {
        batch.get(name)?.(entry);
        batch.delete(name);
      };
      const looking = called(() => this.#look([...batch.keys()], answer));
      this.#looks++;
      withDeadline(this.#deps.clock, LOOK_DEADLINE_MS, looking)
        .catch(() => {
          this.#lookFailedMs = this.#deps.clock.now();
          this.#deps.on?.('failed', batch.size);
        })
        .finally(() => {
          for (const name of [...batch.keys()]) answer(name, null);
          this.#looks--;
          this.#pump();
        });
    }
  }

  async #look(names: readonly string[], answer: Answer): Promise<void> {
    const { shared, clock, place, on } = this.#deps;
    const at = place();
    if (at === null) return;
    const read = await this.#read(names, at, answer);
    for (const outcome of ['hit', 'miss', 'unusable', 'rejected'] as const) {
      const count = read.filter((one) => one === outcome).length;
      if (count > 0) on?.(outcome, count);
    }
    let missing = names.filter((_, i) => read[i] !== 'hit');
    if (missing.length === 0) return;
    const mine = await shared.claim(
      missing.map((name) => nameOf(name, at)),
      CLAIM_MS,
    );
    missing = missing.filter((name, i) => {
      if (mine[i] !== false) answer(name, null);
      return mine[i] === false;
    });
    for (const waitMs of WAITS_MS) {
      if (missing.length === 0) return;
      await clock.sleep(waitMs);
      const again = await this.#read(missing, at, answer);
      const came = again.filter((one) => one === 'hit').length;
      if (came > 0) on?.('waited', came);
      missing = missing.filter((_, i) => again[i] !== 'hit');
    }
  }

  /** Answers those that may be used; says of each, in their order, how it went. */
  async #read(names: readonly string[], at: Place, answer: Answer): Promise<readonly Outcome[]> {
    const { shared, entries, usable, confirm } = this.#deps;
    const texts = await shared.getMany(names.map((name) => nameOf(name, at)));
    const judge = async (name: string, text: string | null | undefined): Promise<Outcome> => {
      if (typeof text !== 'string') return 'miss';
      const entry = entries.open(nameOf(name, at), text);
      if (entry === null) return 'rejected';
      if (!usable(entry)) return 'unusable';
      if (!(await confirm(entry.stamp))) return 'rejected';
      answer(name, entry);
      return 'hit';
    };
    return Promise.all(names.map((name, i) => judge(name, texts[i])));
  }
}

/** Entries of another history or of other tables have other names, and so never get in each other's way. */
function nameOf(name: string, { epoch, revision }: Place): string {
  return `${epoch} ${revision} ${name}`;
}

/** What an engine throws at once counts as what it rejects with. */
async function called<T>(call: () => Promise<T>): Promise<T> {
  return call();
}
