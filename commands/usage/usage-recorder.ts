/**
 * Usage and decisions are facts too, but many: they are counted in memory and told in batches, at most
 * once a second or every 500 rows, on a stream that this life of this process alone writes to.
 *
 * Single decisions are told for denials and for one VALID in a hundred, at most 100 a batch. A crash
 * loses at most the last second. While the log is away, counts go on being merged into the rows that
 * there are, new rows up to a bound, and what finds no room is counted as dropped. So it is with a log that
 * may be another than the one that was verified by: nothing is written to it before an operator has said so.
 */
import type { CommandId, NewEvent, StreamId, TenantId } from '../../schemas/envelope.ts';
import { MAX_USAGE_COUNTS, type UsageEvent } from '../../schemas/events/usage.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import type { Clock, Random } from '../clock.ts';
import type { Codec } from '../codec.ts';
import type { EventLog } from '../event-log.ts';
import { eventIdOf, uuidv5 } from '../ids.ts';
import { usageStream } from '../streams.ts';
import { UsageCounts } from './usage-counts.ts';

/** One VALID in so many is told singly. */
export const SAMPLE_VALID_EVERY = 100;
export const FLUSH_EVERY_MS = 1_000;
/** Rows held while the log is away, all tenants together; about 200 bytes each. */
export const MAX_BUFFERED_ROWS = 20_000;
const MAX_CLOSE_ATTEMPTS = 3;
const MAX_APPENDS_IN_FLIGHT = 32;
/** Streams whose version is remembered; a forgotten one costs a conflict. */
const MAX_VERSIONS = 10_000;
const MINUTE_MS = 60_000;

export interface UsageRecorderDeps {
  readonly log: Pick<EventLog, 'append'>;
  readonly codec: Pick<Codec, 'encode'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Names one life of one process; makes the stream its own. */
  readonly writer: string;
  /** Asked before anything is appended: rejects while the log may be another than the one that is trusted. */
  readonly confirm?: () => Promise<void>;
  /** A flush failed and will be repeated. */
  readonly onError?: (error: unknown) => void;
}

/** A batch on its way: sent again as the same bytes until the log has answered. */
interface Batch {
  readonly stream: StreamId;
  readonly events: readonly NewEvent[];
  readonly rows: number;
}

export class UsageRecorder {
  readonly #deps: UsageRecorderDeps;
  #minuteMs = 0;
  /** By tenant, of the current minute; then the minutes that are over. */
  #current = new Map<string, UsageCounts>();
  #over: { readonly tenant: string; readonly counts: UsageCounts }[] = [];
  readonly #batches: Batch[] = [];
  /** Rows in all of these. */
  #rows = 0;
  #newRows = 0;
  #valid = 0;
  #dropped = 0;
  #serial = 0;
  /** Of the last event: time never goes back in a stream. */
  #timeMs = 0;
  readonly #versions = new Map<StreamId, number>();
  #flush: Promise<boolean> | null = null;
  #closing: AbortController | null = null;
  #loop: Promise<void> = Promise.resolve();
  #wake = new AbortController();

  constructor(deps: UsageRecorderDeps) {
    this.#deps = deps;
  }

  /** Decisions that found no room while the log was away, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  get bufferedRows(): number {
    return this.#rows;
  }

  /** Off the hot path: no I/O, and no more than one map look-up a call. */
  record(tenant: string, keyId: string, code: VerifyCode, route: string, traceId: string | null): void {
    const nowMs = this.#deps.clock.now();
    if (nowMs - this.#minuteMs >= MINUTE_MS || nowMs < this.#minuteMs) this.#turn(nowMs);
    let counts = this.#current.get(tenant);
    if (counts === undefined) {
      counts = new UsageCounts(this.#minuteMs);
      this.#current.set(tenant, counts);
    }
    const rows = counts.rows;
    if (!counts.count(keyId, code, route, nowMs, this.#rows < MAX_BUFFERED_ROWS)) {
      this.#dropped++;
      return;
    }
    if (code !== 'VALID' || ++this.#valid % SAMPLE_VALID_EVERY === 0) {
      counts.tell(keyId, code, route, nowMs, traceId);
    }
    if (counts.rows === rows) return;
    this.#rows++;
    if (++this.#newRows >= MAX_USAGE_COUNTS) if (!this.#wake.signal.aborted) this.#wake.abort();
  }

  start(): void {
    if (this.#closing) throw new Error('the usage recorder was started before');
    this.#closing = new AbortController();
    this.#loop = this.#run(this.#closing.signal);
  }

  /** Appends what there is. False: some could not be, and is kept for the next time. */
  flush(): Promise<boolean> {
    this.#flush ??= this.#flushAll().finally(() => {
      this.#flush = null;
    });
    return this.#flush;
  }

  /** Flushes, with a few attempts. Answers how many rows are lost. */
  async close(): Promise<number> {
    this.#closing?.abort();
    if (!this.#wake.signal.aborted) this.#wake.abort();
    await this.#loop;
    for (let attempt = 0; attempt < MAX_CLOSE_ATTEMPTS; attempt++) {
      await this.#flush;
      if (await this.flush()) break;
    }
    return this.#rows;
  }

  async #run(closing: AbortSignal): Promise<void> {
    while (!closing.aborted) {
      await this.#deps.clock.sleep(FLUSH_EVERY_MS, this.#wake.signal);
      if (closing.aborted) return;
      this.#wake = new AbortController();
      // After a failure the next attempt waits its second, however many rows come meanwhile.
      if (!(await this.flush())) await this.#deps.clock.sleep(FLUSH_EVERY_MS, closing);
    }
  }

  #turn(nowMs: number): void {
    for (const [tenant, counts] of this.#current) this.#over.push({ tenant, counts });
    this.#current = new Map();
    this.#minuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  }

  async #flushAll(): Promise<boolean> {
    this.#newRows = 0;
    try {
      if (this.#rows > 0) await this.#deps.confirm?.();
      // What is on its way goes first, so that a stream's events stay in order. New rows are taken up
      // only when it has arrived: until then they merge.
      if (!(await this.#send())) return false;
      await this.#take();
      return await this.#send();
    } catch (error) {
      this.#deps.onError?.(error);
      return false;
    }
  }

  async #take(): Promise<void> {
    const taken = [...this.#over, ...[...this.#current].map(([tenant, counts]) => ({ tenant, counts }))];
    this.#over = [];
    this.#current = new Map();
    for (const [index, { tenant, counts }] of taken.entries()) {
      try {
        const batches: Batch[] = [];
        for (const data of counts.batches(this.#deps.writer)) {
          batches.push(await this.#encode(tenant as TenantId, counts.minuteMs, data));
        }
        this.#batches.push(...batches);
      } catch (error) {
        // Only what was not encoded goes back; a later minute may have begun meanwhile.
        this.#over.unshift(...taken.slice(index));
        throw error;
      }
    }
  }

  async #encode(tenant: TenantId, minuteMs: number, data: UsageEvent['data']): Promise<Batch> {
    const { writer, codec, clock, random } = this.#deps;
    const stream = usageStream(tenant, new Date(minuteMs).toISOString().slice(0, 10), writer);
    const commandId = uuidv5('usage', writer, String(++this.#serial)) as CommandId;
    const nonce = random.bytes(16);
    this.#timeMs = Math.max(this.#timeMs, clock.now());
    const events = await codec.encode([
      {
        id: eventIdOf(commandId, stream, 0, nonce),
        type: 'usage.recorded',
        data,
        timeMs: this.#timeMs,
        nonce,
        metadata: {
          tenant,
          actor: 'system:usage',
          commandId,
          requestDigest: null,
          correlationId: commandId,
          causationId: null,
          traceparent: null,
        },
      },
    ]);
    return { stream, events, rows: data.counts.length };
  }

  /** Stops at the first wave that did not arrive whole. */
  async #send(): Promise<boolean> {
    while (this.#batches.length > 0) {
      const wave = new Map<StreamId, Batch>();
      for (const batch of this.#batches) {
        if (wave.size >= MAX_APPENDS_IN_FLIGHT) break;
        if (!wave.has(batch.stream)) wave.set(batch.stream, batch);
      }
      const arrived = await Promise.all([...wave.values()].map((batch) => this.#append(batch)));
      if (!arrived.every((ok) => ok)) return false;
    }
    return true;
  }

  async #append(batch: Batch): Promise<boolean> {
    const expected = this.#versions.get(batch.stream) ?? 0;
    try {
      const answer = await this.#deps.log.append(batch.stream, expected, batch.events);
      this.#versions.delete(batch.stream);
      this.#versions.set(batch.stream, answer.ok ? answer.version : answer.actual);
      if (this.#versions.size > MAX_VERSIONS) this.#versions.delete(this.#versions.keys().next().value!);
      // Nobody else writes here, so a conflict tells a version that was forgotten.
      if (!answer.ok) throw new Error(`${batch.stream} is at ${answer.actual}, not ${expected}`);
    } catch (error) {
      this.#deps.onError?.(error);
      // What no log will ever take must not hold up the rest.
      if ((error as Error).name !== 'InvalidAppend') return false;
      this.#dropped += batch.rows;
    }
    this.#batches.splice(this.#batches.indexOf(batch), 1);
    this.#rows -= batch.rows;
    return true;
  }
}
