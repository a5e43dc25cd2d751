/**
 * Fresh enough to trust: whether what a cache holds may still be used. What a change must reach is
 * decided by position, never by messages.
 *
 * An entry is stamped {epoch, revision, projection position} in one snapshot with its row. It is usable
 * only if epoch and revision are the current ones; a head and a poll of `changes` both *started* at most
 * 5 s ago; that poll, or the stamp itself, has reached one of the heads of those 5 s; and no change in
 * the window after the stamp touches one of its streams. So whatever was in the log 5 s ago is either
 * in the entry, or in the window, or keeps the entry from being used.
 */
import type { Clock } from '../commands/clock.ts';
import type { EventLog, Head } from '../commands/event-log.ts';
import type { Bookmark, Epoch, Position, StreamId } from '../schemas/envelope.ts';
import { PlinthError } from '../schemas/errors.ts';
import { ChangeWindow } from './change-window.ts';
import type { ChangesSource } from './changes.ts';
import { isFresh } from './fresh.ts';
import { eventMismatch } from './history-check.ts';
import type { Stamp } from './projection.ts';
import { nextFlight, singleFlight } from './single-flight.ts';

/** Between the end of a sample and the start of the next. */
export const SAMPLE_EVERY_MS = 250;
/** However many hints come, polls start no closer together. */
const POLL_GAP_MS = 25;
const CALL_DEADLINE_MS = 1_000;
/** After a sample that failed, a refresh does not wait for another one within this time. */
const RETRY_AFTER_FAILURE_MS = 500;
const MAX_PAGES_PER_POLL = 20;

const IF_RESTORED =
  'If it was restored or copied, run `plinth log restored`, then rebuild the projections that it names.';
const OTHER_EPOCH = `The log was replaced: it and the read model are of different epochs. ${IF_RESTORED}`;

export type FreshnessEvent = 'head_failed' | 'poll_failed' | 'window_emptied' | 'halted' | 'dropped';

export interface FreshnessDeps {
  readonly log: Pick<EventLog, 'head' | 'eventIdAt'>;
  readonly changes: ChangesSource;
  /** Its `now` should not go back; a sample from the future counts as old. */
  readonly clock: Clock;
  /** For metrics and logs. */
  readonly on?: (event: FreshnessEvent, detail: string) => void;
}

interface HeadSample {
  readonly startedMs: number;
  readonly position: Position;
}

interface PollSample {
  readonly startedMs: number;
  readonly stamp: Stamp;
}

export class Freshness {
  readonly #deps: FreshnessDeps;
  /** Heads of one epoch of the last 5 s, oldest first: the oldest is the easiest to reach. */
  #heads: HeadSample[] = [];
  #head: Head | null = null;
  /** The latest poll that the log has confirmed. Earlier ones say nothing that it does not. */
  #poll: PollSample | null = null;
  readonly #window: ChangeWindow;
  /** The furthest place of the log that this process has learned from. */
  #seen: Bookmark | null = null;
  #halted: string | null = null;
  /** An epoch in which this process met a history that is gone: nothing of it is trusted again. */
  #broken: { readonly epoch: Epoch; readonly why: string } | null = null;
  #headFailedMs = Number.NEGATIVE_INFINITY;
  #pollFailedMs = Number.NEGATIVE_INFINITY;
  readonly #droppers: (() => void)[] = [];
  readonly #headFlight;
  readonly #pollFlight;
  readonly #confirmFlight;
  #closing: AbortController | null = null;
  #loops: Promise<unknown> = Promise.resolve();
  #wake = new AbortController();
  #hinted = false;

  constructor(deps: FreshnessDeps) {
    this.#deps = deps;
    this.#window = new ChangeWindow((why) => deps.on?.('window_emptied', why));
    this.#headFlight = singleFlight(deps.clock, CALL_DEADLINE_MS, (current) => this.#sampleHead(current));
    this.#pollFlight = singleFlight(deps.clock, CALL_DEADLINE_MS, (current) => this.#samplePoll(current));
    const confirming = singleFlight(deps.clock, CALL_DEADLINE_MS, (current) => this.#askLog(current));
    this.#confirmFlight = nextFlight(confirming);
  }

  /** Samples from now on, hurried by hints. */
  start(): void {
    if (this.#closing) throw new Error('freshness was started before');
    const closing = new AbortController();
    this.#closing = closing;
    this.#loops = Promise.all([this.#headLoop(closing.signal), this.#pollLoop(closing.signal)]);
    // Hints may be lost; the poll comes without them.
    this.#deps.changes.listen(() => this.hint(), closing.signal).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing?.abort();
    this.#wake.abort();
    await this.#loops;
  }

  /** There may be something new: poll now. Costs little to be wrong. */
  hint(): void {
    this.#hinted = true;
    this.#wake.abort();
  }

  /** Called when the history was replaced: whatever was learned from the old one must go. */
  onDrop(drop: () => void): void {
    this.#droppers.push(drop);
  }

  /** Why nothing may be trusted until an operator acts (the log was replaced), or null. */
  get halted(): string | null {
    return this.#halted;
  }

  /** The log's head as it was last seen. */
  get head(): Head | null {
    return this.#head;
  }

  /** Where the read model was at the latest poll, as the log has confirmed; null before the first. */
  polled(): Stamp | null {
    return this.#poll?.stamp ?? null;
  }

  /** What metrics show. Ages in milliseconds; null before the first sample. */
  gauges(): { headAgeMs: number | null; pollAgeMs: number | null; windowStreams: number } {
    const now = this.#deps.clock.now();
    return {
      headAgeMs: this.#heads.length > 0 ? now - this.#heads.at(-1)!.startedMs : null,
      pollAgeMs: this.#poll ? now - this.#poll.startedMs : null,
      windowStreams: this.#window.streams,
    };
  }

  /**
   * Whether an entry with this stamp, made from these streams, may be used now. Allocates nothing: it
   * runs on every verify.
   */
  usable(stamp: Stamp, streams: readonly StreamId[]): boolean {
    const poll = this.#poll;
    if (poll === null || this.#halted !== null) return false;
    if (stamp.epoch !== poll.stamp.epoch || stamp.revision !== poll.stamp.revision) return false;
    const now = this.#deps.clock.now();
    if (!isFresh(poll.startedMs, now)) return false;
    const head = this.#oldestFreshHead(now);
    if (head === undefined) return false;
    if (poll.stamp.position < head.position && stamp.position < head.position) return false;
    return this.#window.clear(stamp.position, streams);
  }

  /** When an entry was last known to be right, in milliseconds; null: that is not known any more. */
  clearAtMs(stamp: Stamp, streams: readonly StreamId[]): number | null {
    const poll = this.#poll;
    if (poll === null || stamp.epoch !== poll.stamp.epoch || stamp.revision !== poll.stamp.revision) {
      return null;
    }
    return this.#window.clear(stamp.position, streams) ? poll.startedMs : null;
  }

  /** The last change of a stream that is known here; undefined: none is. */
  readonly changed = (stream: StreamId): Position | undefined => this.#window.last(stream);

  /** Whether a head and a poll are young enough to judge by; when not, only a refresh can help. */
  sampled(): boolean {
    const now = this.#deps.clock.now();
    if (this.#poll === null || !isFresh(this.#poll.startedMs, now)) return false;
    return this.#oldestFreshHead(now) !== undefined;
  }

  /** Something was learned at this place: it is compared with the log at the next poll. */
  saw(stamp: Bookmark): void {
    const seen = this.#seen;
    if (seen === null || (seen.epoch === stamp.epoch && seen.position < stamp.position)) this.#seen = stamp;
  }

  /** One head and one poll, shared by all who ask meanwhile. Answers nothing: ask `usable` again. */
  async refresh(): Promise<void> {
    const now = this.#deps.clock.now();
    const flights: Promise<unknown>[] = [];
    if (!recent(this.#headFailedMs, now)) flights.push(this.#tryHead());
    if (!recent(this.#pollFailedMs, now)) flights.push(this.#tryPoll());
    await Promise.all(flights);
  }

  /**
   * Rejects unless the log, asked after this was called, is still the one that this process trusts: what
   * was read from it before is otherwise of a log that was replaced or has lost its end, where whatever is
   * gone looks as if it had never been. Shared by all who ask meanwhile.
   *
   * @param last the place of the last event that was read
   */
  async confirm(last: Omit<Bookmark, 'epoch'> | null): Promise<void> {
    const epoch = await this.#confirmFlight.run();
    if (last !== null) this.saw({ epoch, ...last });
  }

  #oldestFreshHead(now: number): HeadSample | undefined {
    const heads = this.#heads;
    for (let i = 0; i < heads.length; i++) if (isFresh(heads[i]!.startedMs, now)) return heads[i];
    return undefined;
  }

  async #tryHead(): Promise<void> {
    try {
      await this.#headFlight.run();
    } catch (error) {
      this.#headFailedMs = this.#deps.clock.now();
      this.#deps.on?.('head_failed', (error as Error).message);
    }
  }

  async #tryPoll(): Promise<void> {
    try {
      await this.#pollFlight.run();
    } catch (error) {
      this.#pollFailedMs = this.#deps.clock.now();
      this.#deps.on?.('poll_failed', (error as Error).message);
    }
  }

  async #sampleHead(current: () => boolean): Promise<void> {
    const startedMs = this.#deps.clock.now();
    const head = await this.#readHead(current);
    if (!current()) return;
    const last = this.#heads.at(-1);
    // Earlier heads of another history say nothing of this one.
    if (this.#head?.epoch !== head.epoch || (last && head.position < last.position)) this.#heads = [];
    const now = this.#deps.clock.now();
    while (this.#heads.length > 0 && !isFresh(this.#heads[0]!.startedMs, now)) this.#heads.shift();
    this.#heads.push({ startedMs, position: head.position });
    this.#head = head;
    if (this.#seen && head.position < this.#seen.position && head.epoch === this.#seen.epoch) {
      // Either it was learned after this head was read, or the log has lost its tail.
      await this.#holds(this.#seen);
    }
    if (current()) this.#judgeEpoch();
  }

  /** Answers the log's epoch. */
  async #askLog(current: () => boolean): Promise<Epoch> {
    const [seen, known] = [this.#seen, this.#head];
    const head = await this.#readHead(current);
    const trusted = this.#poll?.stamp.epoch ?? seen?.epoch ?? known?.epoch;
    if (trusted === undefined || known === null) throw new Error('the head of the log is not known yet');
    if (head.epoch !== trusted) {
      if (current() && this.#poll !== null) this.#halt(OTHER_EPOCH);
      throw new Error('the log is of another epoch');
    }
    if (seen?.epoch === head.epoch && !(await this.#holds(seen))) throw new Error('the log was replaced');
    if (known.epoch === head.epoch && head.position < known.position) {
      throw new Error('the log ends before where it ended');
    }
    return head.epoch;
  }

  async #readHead(current: () => boolean): Promise<Head> {
    try {
      return await this.#deps.log.head();
    } catch (error) {
      if (current() && error instanceof PlinthError && error.rejection.code === 'log_epoch_changed') {
        this.#head = null;
        this.#heads = [];
        this.#halt(error.rejection.detail);
      }
      throw error;
    }
  }

  async #samplePoll(current: () => boolean): Promise<void> {
    for (let page = 0; page < MAX_PAGES_PER_POLL; page++) {
      const startedMs = this.#deps.clock.now();
      const poll = await this.#deps.changes.poll(this.#window.cursor);
      if (!current()) return;
      if (poll.halted !== null) return this.#halt(poll.halted);
      if (!(await this.#sameHistory(poll.stamp)) || !current()) return;
      if (!this.#window.take(poll)) continue;
      this.#poll = { startedMs, stamp: poll.stamp };
      if (this.#seen?.epoch !== poll.stamp.epoch) this.#seen = poll.stamp;
      this.saw(poll.stamp);
      return this.#judgeEpoch();
    }
    this.#poll = null;
    this.#window.restart('too many changes at once');
  }

  /**
   * Compares with the log, at every poll: a failover that lost the tail and reuses its positions shows
   * nowhere else. Both the read model's place and the furthest that this process has learned from must
   * be where they were.
   */
  async #sameHistory(stamp: Stamp): Promise<boolean> {
    if (stamp.epoch === this.#broken?.epoch) {
      this.#halt(this.#broken.why);
      return false;
    }
    const seen = this.#seen;
    if (seen !== null && seen.epoch !== stamp.epoch) this.#drop('another epoch');
    else if (seen !== null && seen.eventId !== stamp.eventId && !(await this.#holds(seen))) return false;
    return this.#holds(stamp);
  }

  /** Whether the log holds, at the stamp's position, the very event that was seen there. */
  async #holds(stamp: Bookmark): Promise<boolean> {
    const mismatch = await eventMismatch(this.#deps.log, stamp);
    if (mismatch === null) return true;
    this.#broken = { epoch: stamp.epoch, why: `The log was replaced: ${mismatch}. ${IF_RESTORED}` };
    this.#halt(this.#broken.why);
    return false;
  }

  #judgeEpoch(): void {
    if (this.#poll === null || this.#head === null) return;
    if (this.#poll.stamp.epoch === this.#head.epoch) this.#halted = null;
    else this.#halt(OTHER_EPOCH);
  }

  #halt(why: string): void {
    this.#poll = null;
    this.#window.restart(why);
    if (this.#halted !== why) this.#deps.on?.('halted', why);
    if (this.#halted === null) this.#drop(why);
    this.#halted = why;
  }

  #drop(why: string): void {
    this.#seen = null;
    this.#deps.on?.('dropped', why);
    for (const drop of this.#droppers) drop();
  }

  async #headLoop(closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      await this.#tryHead();
      await this.#deps.clock.sleep(SAMPLE_EVERY_MS, closing);
    }
  }

  async #pollLoop(closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      this.#hinted = false;
      this.#wake = new AbortController();
      await this.#tryPoll();
      await this.#deps.clock.sleep(POLL_GAP_MS, closing);
      if (!this.#hinted) await this.#deps.clock.sleep(SAMPLE_EVERY_MS - POLL_GAP_MS, this.#wake.signal);
    }
  }
}

function recent(failedMs: number, now: number): boolean {
  return now >= failedMs && now - failedMs < RETRY_AFTER_FAILURE_MS;
}
