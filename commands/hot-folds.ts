/** States of streams kept between commands, so that a long one is not read and folded whole by each. */
import type { EventId, Position, PublicDecoded, Recorded, StreamId } from '../schemas/envelope.ts';
import type { Decider, Fact } from './decider.ts';
import { decodeStream, ownEvents, publicDecoder } from './decode-stream.ts';
import type { ExecuteDeps, Folded, HotExecution } from './execute.ts';

const MAX_FOLDS = 1_000;
/** Data and metadata of the events that the folds stand for: a state is seldom a tenth of that. */
const MAX_BYTES = 256 * 1024 * 1024;
/** About 100,000 events of a flag's size. A longer stream is folded whole each time. */
const MAX_BYTES_PER_FOLD = 64 * 1024 * 1024;

export interface HotFoldsBounds {
  readonly maxFolds?: number;
  /** Of data and metadata of all events that are folded. */
  readonly maxBytes?: number;
  readonly maxBytesPerFold?: number;
}

/** What was folded, and the event that it ends with. It is replaced whole, never changed. */
interface Kept<S> {
  /** Whose states these are: another decider's are not used. */
  readonly evolve: unknown;
  readonly state: S;
  readonly version: number;
  readonly id: EventId;
  readonly position: Position;
  readonly lastMs: number;
  /** Of the stream's first event. */
  readonly tenant: string;
  readonly bytes: number;
  /**
   * Prints of the commands of these events, and perhaps of later ones: the next fold goes on with the same
   * set. One that is found wrongly costs a whole fold and no more; none is missing.
   */
  readonly commands: Set<number>;
}

type Folds<S, E> = Pick<Decider<S, never, E>, 'initial' | 'evolve'>;
type Folding<S, E> = Pick<HotExecution<S, never, E>, 'stream' | 'context' | 'ownOnly'> & {
  readonly decider: Folds<S, E>;
};
type FoldDeps = Pick<ExecuteDeps, 'log' | 'codec'>;

/**
 * The least recently used goes first. Whatever is kept was read from the log and decoded in public
 * (`decodePublic`), so no personal field is in it: a command that is given these states sees none either.
 */
export class HotFolds {
  readonly #bounds: Required<HotFoldsBounds>;
  /** Least recently used first. */
  readonly #kept = new Map<StreamId, Kept<unknown>>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(bounds: HotFoldsBounds = {}) {
    const { maxFolds = MAX_FOLDS, maxBytes = MAX_BYTES, maxBytesPerFold = MAX_BYTES_PER_FOLD } = bounds;
    this.#bounds = { maxFolds, maxBytes, maxBytesPerFold: Math.min(maxBytesPerFold, maxBytes) };
  }

  /** Folds kept and the bytes they stand for; since the start, folds that went on from one and whole ones. */
  gauges(): {
    readonly folds: number;
    readonly bytes: number;
    readonly hits: number;
    readonly misses: number;
  } {
    return { folds: this.#kept.size, bytes: this.#bytes, hits: this.#hits, misses: this.#misses };
  }

  /** Forgets what it keeps: the history was replaced. */
  drop(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  /**
   * What a whole fold finds, by asking the log for what came after the one that is kept. `events` is empty
   * where that was enough, which also says that the command has no event in the stream. Throws what
   * `decodeStream` does.
   */
  async fold<S, E>(deps: FoldDeps, folding: Folding<S, E>): Promise<Folded<S>> {
    const kept = this.#kept.get(folding.stream);
    if (kept !== undefined && kept.evolve === folding.decider.evolve) {
      // A state that this very function made.
      const folded = await this.#goOn(deps, folding, kept as Kept<S>);
      if (folded !== null) {
        this.#hits += 1;
        return folded;
      }
    }
    this.#misses += 1;
    return this.#whole(deps, folding);
  }

  /** Null: what is kept does not tell. */
  async #goOn<S, E>(deps: FoldDeps, folding: Folding<S, E>, kept: Kept<S>): Promise<Folded<S> | null> {
    const { stream, decider, context, ownOnly } = folding;
    const [last, ...later] = await deps.log.readStream(stream, { after: kept.version - 1 });
    // Its id is minted by one attempt of one command, so what lost its tail or was replaced has another there,
    // or none. One that was lost with a tail and is then sent once more has its id again: at another place.
    if (last?.id !== kept.id || last.position !== kept.position) {
      this.#forget(stream, kept);
      return null;
    }
    if (ownOnly && kept.tenant !== context.tenant) return nothing(decider);
    let events: readonly PublicDecoded[];
    try {
      events = later.map((event) => deps.codec.decodePublic(event));
    } catch {
      // Whether it was discarded, and what is told of it, is for a whole fold to say.
      this.#forget(stream, kept);
      return null;
    }
    const next = through(kept, decider, later, events);
    this.#keep(stream, next);
    if (next.commands.has(printOf(context.commandId))) return null;
    return { state: next.state, version: next.version, lastMs: next.lastMs, events: [] };
  }

  async #whole<S, E>(deps: FoldDeps, folding: Folding<S, E>): Promise<Folded<S>> {
    const { stream, decider, context, ownOnly } = folding;
    const recorded = await deps.log.readStream(stream);
    const own = ownOnly ? ownEvents(recorded, context.tenant) : recorded;
    const events = (await decodeStream(publicDecoder(deps.codec), own)) as readonly PublicDecoded[];
    const [first] = events;
    if (first === undefined) return nothing(decider);
    const { state, version, lastMs, ...rest } = through(begun(decider, first), decider, own, events);
    // Not where an event was left out, for it was discarded.
    if (events.length === own.length) this.#keep(stream, { state, version, lastMs, ...rest });
    return { state, version, lastMs, events };
  }

  #keep(stream: StreamId, fold: Kept<unknown>): void {
    const there = this.#kept.get(stream);
    // What is behind came late. Should the log have lost what is kept, the next fold will find out.
    if (there !== undefined && there.evolve === fold.evolve && there.version > fold.version) return;
    if (there !== undefined) this.#forget(stream, there);
    const { maxFolds, maxBytes, maxBytesPerFold } = this.#bounds;
    if (fold.bytes > maxBytesPerFold) return;
    this.#kept.set(stream, fold);
    this.#bytes += fold.bytes;
    for (const [oldest, stale] of this.#kept) {
      if (this.#kept.size <= maxFolds && this.#bytes <= maxBytes) return;
      this.#forget(oldest, stale);
    }
  }

  /** Unless another has taken its place. */
  #forget(stream: StreamId, fold: Kept<unknown>): void {
    if (this.#kept.get(stream) !== fold) return;
    this.#kept.delete(stream);
    this.#bytes -= fold.bytes;
  }
}

function nothing<S>({ initial }: { readonly initial: S }): Folded<S> {
  return { state: initial, version: 0, lastMs: 0, events: [] };
}

/** Before the first event. */
function begun<S, E>({ initial, evolve }: Folds<S, E>, first: PublicDecoded): Kept<S> {
  const { id, position, metadata } = first;
  const { tenant } = metadata;
  return {
    evolve,
    state: initial,
    version: 0,
    id,
    position,
    lastMs: 0,
    tenant,
    bytes: 0,
    commands: new Set(),
  };
}

function through<S, E>(
  kept: Kept<S>,
  decider: Folds<S, E>,
  recorded: readonly Recorded[],
  events: readonly PublicDecoded[],
): Kept<S> {
  const last = events.at(-1);
  if (last === undefined) return kept;
  let { state, bytes } = kept;
  for (const event of events) {
    state = decider.evolve(state, event as unknown as Fact<E>);
    kept.commands.add(printOf(event.metadata.commandId));
  }
  for (const { data, metadata } of recorded) bytes += data.length + metadata.length;
  const { version, id, position, timeMs: lastMs } = last;
  return { ...kept, state, bytes, version, id, position, lastMs };
}

/** 32 of its bits, from its end: those are random in every kind of UUID. A whole number of a small kind. */
function printOf(commandId: string): number {
  return Number.parseInt(commandId.slice(-8), 16) | 0;
}
