/**
 * Tells whoever watches an environment that its flags have changed. What is told is kept for a while, so that
 * one who was away is told what came meanwhile; one whose place is not known is told to fetch everything.
 *
 * Everything between the answer of `standsAt` and the first message to a watcher happens in one turn: no
 * change falls between what is replayed and what is told from then on.
 */
import type { Clock } from '../../commands/clock.ts';
import { type Epoch, type Position, parsePositionToken, type StreamId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { noticeTexts, openedText } from './change-messages.ts';
import { ChangeRing } from './change-ring.ts';
import { type Changed, type EnvironmentChange, together } from './environment-change.ts';
import type { FlagsUse } from './flags-use.ts';

/** Of one process; each holds some 30 kB. */
export const MAX_STREAMS = 5_000;
export const MAX_STREAMS_AN_ENVIRONMENT = 2_500;
/** A change is told at once; those that follow within this time are told together, at its end. */
export const COALESCE_MS = 100;
/**
 * How often it is asked where a watched environment stands: a change that nobody told of is told then. It
 * also keeps the flags of what is watched from being dropped.
 */
export const LOOK_EVERY_MS = 15_000;
/** A new reader may have fetched its flags just before a change that is younger than this. */
const JUST_NOW_MS = 10_000;
const FULL_RETRY_SECONDS = 5;

export interface ChangeHubDeps {
  readonly clock: Clock;
  epoch(): Epoch;
  /** The last position of an environment that evaluation answers from; null: not known. */
  standsAt(stream: StreamId): Position | null | Promise<Position | null>;
  readonly maxStreams?: number;
  readonly maxStreamsAnEnvironment?: number;
}

export interface Watcher {
  readonly use: FlagsUse;
  /** Aborts when nobody reads any more. */
  readonly signal: AbortSignal;
  send(text: string): void;
}

interface Environment {
  readonly stream: StreamId;
  /** True: placed, and told of every change. */
  readonly watchers: Map<Watcher, boolean>;
  readonly dropped: AbortController;
  epoch: Epoch;
  ring: ChangeRing;
  /** When a change was told last. */
  toldMs: number;
  /** Not told yet; later changes are added to it. */
  pending: { change: Changed } | null;
}

export class ChangeHub {
  readonly #deps: ChangeHubDeps;
  readonly #maxStreams: number;
  readonly #maxStreamsAnEnvironment: number;
  readonly #environments = new Map<StreamId, Environment>();
  #streams = 0;

  constructor(deps: ChangeHubDeps) {
    this.#deps = deps;
    this.#maxStreams = deps.maxStreams ?? MAX_STREAMS;
    this.#maxStreamsAnEnvironment = deps.maxStreamsAnEnvironment ?? MAX_STREAMS_AN_ENVIRONMENT;
  }

  /** Open ones. */
  get streams(): number {
    return this.#streams;
  }

  /** Those of which something is kept. */
  get environments(): number {
    return this.#environments.size;
  }

  /** Tells a change. One of an environment that nobody has watched lately is of no interest. */
  tell({ stream, ...change }: EnvironmentChange): void {
    const environment = this.#environments.get(stream);
    if (environment) this.#add(environment, change);
  }

  /**
   * Tells a watcher what it missed, and every change from then on, until its signal aborts.
   *
   * Throws `PlinthError` `overloaded` (the process has no room) or `too_many_requests` (the environment has none).
   */
  async watch(stream: StreamId, watcher: Watcher, lastEventId: string | undefined): Promise<void> {
    const environment = this.#admit(stream, watcher);
    const position = await this.#standsAt(stream);
    if (watcher.signal.aborted) return;
    if (position !== null) this.#stands(environment, position);
    environment.watchers.set(watcher, true);
    const text = this.#missed(environment, watcher.use, lastEventId);
    if (text !== null) watcher.send(text);
  }

  /** Forgets everything. What is open is ended by whoever opened it. */
  close(): void {
    for (const environment of this.#environments.values()) this.#drop(environment);
  }

  #admit(stream: StreamId, watcher: Watcher): Environment {
    const extra = { extra: { retryAfterSeconds: FULL_RETRY_SECONDS } };
    if (this.#streams >= this.#maxStreams) {
      throw new PlinthError('overloaded', `This process has ${this.#maxStreams} streams open.`, extra);
    }
    const known = this.#environments.get(stream);
    if (known && known.watchers.size >= this.#maxStreamsAnEnvironment) {
      const detail = `The environment has ${this.#maxStreamsAnEnvironment} streams open here.`;
      throw new PlinthError('too_many_requests', detail, extra);
    }
    const environment = known ?? this.#open(stream);
    environment.watchers.set(watcher, false);
    this.#streams += 1;
    const leave = () => {
      this.#streams -= 1;
      environment.watchers.delete(watcher);
      if (isIdle(environment)) this.#drop(environment);
    };
    if (watcher.signal.aborted) leave();
    else watcher.signal.addEventListener('abort', leave, { once: true });
    return environment;
  }

  #open(stream: StreamId): Environment {
    // Fewer are watched than streams are open, so there is one to forget.
    if (this.#environments.size >= this.#maxStreams) {
      const unwatched = [...this.#environments.values()].find(({ watchers }) => watchers.size === 0);
      if (unwatched) this.#drop(unwatched);
    }
    const environment: Environment = {
      stream,
      watchers: new Map(),
      dropped: new AbortController(),
      epoch: this.#deps.epoch(),
      ring: new ChangeRing(),
      toldMs: Number.NEGATIVE_INFINITY,
      pending: null,
    };
    this.#environments.set(stream, environment);
    void this.#keep(environment);
    return environment;
  }

  #drop(environment: Environment): void {
    environment.dropped.abort();
    if (this.#environments.get(environment.stream) === environment) {
      this.#environments.delete(environment.stream);
    }
  }

  async #keep(environment: Environment): Promise<void> {
    const { clock } = this.#deps;
    const { stream, watchers, dropped } = environment;
    for (;;) {
      await clock.sleep(LOOK_EVERY_MS, dropped.signal);
      if (dropped.signal.aborted) return;
      environment.ring.trim(clock.now());
      if (isIdle(environment)) {
        this.#drop(environment);
        return;
      }
      if (watchers.size === 0) continue;
      const position = await this.#standsAt(stream);
      if (dropped.signal.aborted) return;
      if (position !== null) this.#stands(environment, position);
    }
  }

  async #standsAt(stream: StreamId): Promise<Position | null> {
    try {
      return await this.#deps.standsAt(stream);
    } catch {
      // Whoever is told nothing new goes on with what it has: so does evaluation.
      return null;
    }
  }

  /** A position that nobody told of is a change like any other; the first of all is where it begins. */
  #stands(environment: Environment, position: Position): void {
    this.#turn(environment);
    const { ring, pending, watchers } = environment;
    const open = [...watchers.values()].some(Boolean);
    if (ring.last === null && pending === null && !open) ring.begin(position);
    else this.#add(environment, { position, flags: null, urgent: false });
  }

  #add(environment: Environment, told: Changed): void {
    const change = this.#turn(environment) ? { ...told, flags: null } : told;
    const { ring, pending, dropped } = environment;
    if (ring.last !== null && change.position <= ring.last) return;
    if (pending) pending.change = together(pending.change, change);
    else environment.pending = { change };
    const { clock } = this.#deps;
    const waitMs = environment.toldMs + COALESCE_MS - clock.now();
    if (change.urgent || waitMs <= 0) {
      this.#flush(environment);
      return;
    }
    if (pending) return;
    const waiting = environment.pending;
    void clock.sleep(waitMs, dropped.signal).then(() => {
      if (!dropped.signal.aborted && environment.pending === waiting) this.#flush(environment);
    });
  }

  #flush(environment: Environment): void {
    const { epoch, ring, pending, watchers } = environment;
    const { change } = pending!;
    environment.pending = null;
    environment.toldMs = this.#deps.clock.now();
    ring.add(change, environment.toldMs);
    const texts = noticeTexts({ ...change, epoch, through: change.position });
    for (const [watcher, isOpen] of watchers) if (isOpen) watcher.send(texts[watcher.use]);
  }

  /** Positions of another history say nothing here: everything is told anew. */
  #turn(environment: Environment): boolean {
    const epoch = this.#deps.epoch();
    if (environment.epoch === epoch) return false;
    environment.epoch = epoch;
    environment.ring = new ChangeRing();
    environment.pending = null;
    return true;
  }

  /** Null: nothing, and no id to come back with. */
  #missed(environment: Environment, use: FlagsUse, lastEventId: string | undefined): string | null {
    this.#turn(environment);
    const { epoch, ring, pending } = environment;
    const { floor, last } = ring;
    const known = pending?.change.position ?? last;
    const notice = (missed: { readonly through: Position | null } & Omit<Changed, 'position'>) =>
      noticeTexts({ epoch, position: last, ...missed })[use];
    let missed: Changed | null;
    if (lastEventId === undefined) missed = ring.since(this.#deps.clock.now() - JUST_NOW_MS);
    else {
      const token = parsePositionToken(lastEventId);
      const seen = token?.epoch === epoch ? token.position : null;
      const placed = seen !== null && floor !== null && known !== null && floor <= seen && seen <= known;
      if (!placed) {
        // Another process may be ahead of this one: whoever heard of it there must not fetch something older.
        const through = seen !== null && (known === null || seen > known) ? seen : known;
        return notice({ through, flags: null, urgent: false });
      }
      missed = ring.after(seen);
    }
    if (missed) return notice({ ...missed, through: missed.position });
    return last === null ? null : openedText(epoch, last);
  }
}

function isIdle({ watchers, ring, pending }: Environment): boolean {
  return watchers.size === 0 && ring.size === 0 && pending === null;
}
