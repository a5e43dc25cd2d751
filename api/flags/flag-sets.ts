/**
 * The environments that this process serves, compiled, each with the stamp of the snapshot that it was read
 * in. One that is fresh enough to trust is answered at once; another one is read again, and only what has
 * changed of it. Where nothing can be read, what was read last goes on being served for a stated grace.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../commands/clock.ts';
import {
  type CompiledEnvironment,
  compilingEnvironment,
  type EnvironmentChanges,
} from '../../commands/flags/compile-environment.ts';
import { noEnvironment } from '../../commands/flags/environment-state.ts';
import type { ParkedKills } from '../../commands/flags/parked-kills.ts';
import type { ServedRows } from '../../projections/flags/served-rows.ts';
import type { Freshness } from '../../projections/freshness.ts';
import type { Stamp } from '../../projections/projection.ts';
import { withDeadline } from '../../projections/single-flight.ts';
import { type Position, START, type StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { type EnvironmentChange, MAX_FLAGS_NAMED } from './environment-change.ts';
import { areSame, killed, servedOf } from './serve-environment.ts';
import type { ServedEnvironment, ServedFlags } from './served-environment.ts';

/** Reads what has changed after a position, in one snapshot on one server, and the kills that wait behind it. */
export type LoadEnvironment = (stream: StreamId, after: Position) => Promise<Loaded>;

export interface Loaded {
  readonly stamp: Stamp;
  readonly rows: ServedRows | null;
  readonly kills: ParkedKills | null;
}

export interface FlagSetsDeps {
  readonly load: LoadEnvironment;
  readonly freshness: Pick<
    Freshness,
    'usable' | 'clearAtMs' | 'sampled' | 'refresh' | 'saw' | 'onDrop' | 'halted'
  >;
  /** Whether the log holds the event of the stamp. */
  readonly confirm: (stamp: Stamp) => Promise<boolean>;
  readonly clock: Clock;
  /** How long what was read last is served while nothing can be read. */
  readonly graceMs: number;
  readonly changed?: (change: EnvironmentChange) => void;
  readonly maxFlags?: number;
}

interface Entry {
  readonly stamp: Stamp;
  /** The rows, without the kills that wait. */
  readonly compiled: CompiledEnvironment;
  /** Of the rows. */
  readonly position: Position;
  readonly kills: ParkedKills | null;
  /** Null: there is no such environment. */
  readonly served: ServedEnvironment | null;
  /** When it was read. */
  readonly readMs: number;
}

/** About 10 kB each, compiled. */
export const MAX_FLAGS_HELD = 100_000;
/** What is held of an environment without flags, or of one that is none, in flags. */
const LEAST_FLAGS_HELD = 10;
/** How long compiling goes on before others get their turn; one flag takes up to 10 ms by itself. */
const COMPILE_TURN_MS = 10;
const LOAD_DEADLINE_MS = 5_000;
const WAIT_EVERY_MS = 20;
/** How long a reader waits for a position that it asks for. */
const MAX_WAIT_MS = 1_000;

const nothing: CompiledEnvironment = {
  flags: noEnvironment.flags,
  segments: noEnvironment.segments,
  programs: new Map(),
  isWhole: true,
};

export class FlagSets implements ServedFlags {
  readonly #deps: FlagSetsDeps;
  readonly #entries: LRUCache<StreamId, Entry>;
  readonly #flights = new Map<StreamId, Promise<Entry>>();
  #history = 0;

  constructor(deps: FlagSetsDeps) {
    this.#deps = deps;
    this.#entries = new LRUCache({
      maxSize: deps.maxFlags ?? MAX_FLAGS_HELD,
      sizeCalculation: ({ compiled }) => LEAST_FLAGS_HELD + compiled.programs.size,
    });
    deps.freshness.onDrop(() => {
      this.#history++;
      this.#entries.clear();
      // What is under way is of the history that is gone: nobody is to wait for it.
      this.#flights.clear();
    });
  }

  /** Environments held. */
  get size(): number {
    return this.#entries.size;
  }

  /** Streams of the environments that are held. */
  streams(): Iterable<StreamId> {
    return this.#entries.keys();
  }

  of(stream: StreamId, atLeast?: Position): ServedEnvironment | null | Promise<ServedEnvironment | null> {
    const entry = this.#entries.get(stream);
    if (entry && this.#isFresh(entry, stream) && reaches(entry, atLeast)) return entry.served;
    return this.#fetch(stream, atLeast);
  }

  /** Seconds since an environment was last known to be fresh, where it is served past that; else null. */
  ageSeconds(stream: StreamId): number | null {
    const entry = this.#entries.peek(stream);
    if (!entry || this.#isFresh(entry, stream)) return null;
    return Math.max(0, Math.floor(this.#ageMs(entry, stream) / 1000));
  }

  /** Reads a held environment again if it has changed; never rejects. */
  async refresh(stream: StreamId): Promise<void> {
    await this.#read(stream).catch(() => {});
  }

  #isFresh(entry: Entry, stream: StreamId): boolean {
    return this.#deps.freshness.usable(entry.stamp, [stream]);
  }

  /** Since it was last known to be what the log says. */
  #ageMs({ stamp, readMs }: Entry, stream: StreamId): number {
    const { freshness, clock } = this.#deps;
    return clock.now() - Math.max(readMs, freshness.clearAtMs(stamp, [stream]) ?? 0);
  }

  async #fetch(stream: StreamId, atLeast: Position | undefined): Promise<ServedEnvironment | null> {
    const { freshness, clock } = this.#deps;
    const untilMs = clock.now() + MAX_WAIT_MS;
    for (;;) {
      const failure = await this.#readFresh(stream).then(
        () => null,
        (error: unknown) => error,
      );
      const entry = this.#entries.get(stream);
      if (entry && this.#isFresh(entry, stream) && reaches(entry, atLeast)) return entry.served;
      if (freshness.halted !== null) throw new PlinthError('log_epoch_changed', freshness.halted);
      if (failure !== null || atLeast === undefined) return this.#static(stream, entry, failure);
      if (clock.now() >= untilMs) {
        throw new PlinthError('projection_behind', 'The flags have not reached the position asked for.');
      }
      await clock.sleep(WAIT_EVERY_MS);
    }
  }

  /** Evaluation goes on with what was read last: a flag that answers late is worse than one that is minutes old. */
  #static(stream: StreamId, entry: Entry | undefined, failure: unknown): ServedEnvironment | null {
    const { graceMs } = this.#deps;
    if (entry && this.#ageMs(entry, stream) <= graceMs) return entry.served;
    if (failure instanceof PlinthError) throw failure;
    throw new PlinthError(
      'unavailable',
      'The flags cannot be read now.',
      { extra: { retryAfterSeconds: 1 } },
      { cause: failure },
    );
  }

  async #readFresh(stream: StreamId): Promise<void> {
    const { freshness } = this.#deps;
    if (!freshness.sampled()) await freshness.refresh();
    const entry = this.#entries.get(stream);
    if (entry && this.#isFresh(entry, stream)) return;
    const isUnderWay = this.#flights.has(stream);
    let read = await this.#read(stream);
    // It may have been read before the change that this one is asked for.
    if (isUnderWay && !this.#isFresh(read, stream)) read = await this.#read(stream);
    if (!this.#isFresh(read, stream)) await freshness.refresh();
  }

  #read(stream: StreamId): Promise<Entry> {
    const under = this.#flights.get(stream);
    if (under) return under;
    const flight = this.#load(stream).finally(() => {
      if (this.#flights.get(stream) === flight) this.#flights.delete(stream);
    });
    this.#flights.set(stream, flight);
    return flight;
  }

  async #load(stream: StreamId): Promise<Entry> {
    const { clock, load, freshness, confirm } = this.#deps;
    const history = this.#history;
    const startedMs = clock.now();
    const before = this.#entries.get(stream);
    let loaded = await withDeadline(clock, LOAD_DEADLINE_MS, load(stream, placeOf(before)));
    // Rows of another revision or history say nothing of those before.
    let base = before;
    if (before && !isOfSameRows(loaded.stamp, before.stamp)) {
      base = undefined;
      loaded = await withDeadline(clock, LOAD_DEADLINE_MS, load(stream, START));
    }
    const { stamp, rows } = loaded;
    freshness.saw(stamp);
    if (!(await confirm(stamp))) throw new Error('The log does not hold what these rows are of.');
    // A server that is behind the one that was read before: what is held says more.
    if (base && stamp.position < base.stamp.position) return base;
    const entry = await this.#entryOf(stream, base, loaded, startedMs);
    // A history that is gone is not kept.
    if (history !== this.#history) return entry;
    this.#entries.set(stream, entry);
    if (base && rows) this.#tell(stream, base, entry);
    return entry;
  }

  async #entryOf(
    stream: StreamId,
    before: Entry | undefined,
    { stamp, rows, kills }: Loaded,
    readMs: number,
  ): Promise<Entry> {
    const read = { stamp, readMs };
    if (rows === null) return { ...read, compiled: nothing, position: START, kills: null, served: null };
    const { position } = rows;
    const hasMoved = !before?.served || position !== before.position;
    if (!hasMoved && areSame(before.kills, kills)) return { ...before, ...read };
    const compiled = hasMoved ? await this.#compile(before?.compiled ?? nothing, rows) : before.compiled;
    const shown = kills ? await this.#compile(compiled, killed(compiled, kills)) : compiled;
    const served = servedOf(stream, rows, shown, kills);
    return { ...read, compiled, position, kills, served };
  }

  async #compile(before: CompiledEnvironment, rows: EnvironmentChanges): Promise<CompiledEnvironment> {
    const { clock } = this.#deps;
    const compiling = compilingEnvironment(before, rows);
    for (let sinceMs = clock.now(); ; ) {
      const { done, value } = compiling.next();
      if (done) return value;
      if (clock.now() - sinceMs < COMPILE_TURN_MS) continue;
      await clock.sleep(0);
      sinceMs = clock.now();
    }
  }

  /** What was not compiled anew answers as before; what only requires a changed flag was. */
  #tell(stream: StreamId, before: Entry, after: Entry): void {
    if (after.position <= before.position && areSame(before.kills, after.kills)) return;
    const isKilled = ({ served }: Entry, key: string) =>
      served?.contents.flags.get(key)?.settings.mode === 'killed';
    const keys: string[] = [];
    for (const [key, { program }] of after.served!.flags) {
      if (before.served?.flags.get(key)?.program !== program) keys.push(key);
    }
    const urgent = keys.some((key) => isKilled(after, key) && !isKilled(before, key));
    const named = keys.length > MAX_FLAGS_NAMED ? null : keys;
    let { position } = after.served!;
    // What was told of kills that waited went ahead of the rows.
    if (before.kills && position < after.stamp.position) position = after.stamp.position;
    this.#deps.changed?.({ stream, position, flags: named, urgent });
  }
}

function reaches({ stamp }: Entry, atLeast: Position | undefined): boolean {
  return atLeast === undefined || stamp.position >= atLeast;
}

function placeOf(entry: Entry | undefined): Position {
  return entry?.position ?? START;
}

function isOfSameRows(a: Stamp, b: Stamp): boolean {
  return a.epoch === b.epoch && a.revision === b.revision;
}
