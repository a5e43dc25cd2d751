/** What the contract suites of the projection store share: a small projection, a log, runners. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../infra/system-clock.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import type { Decoder } from '../../projections/decoder.ts';
import type { Projection, TableSpec, Tables } from '../../projections/projection.ts';
import { type ProjectionRunner, projectionRunner, type RunnerDeps } from '../../projections/runner.ts';
import type { ProjectionStore } from '../../projections/store.ts';
import {
  type Bookmark,
  type DecodedEvent,
  type EventId,
  type Metadata,
  START,
  type StreamId,
} from '../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../engines/memory-event-log.ts';
import { plainCodec } from '../simulation/plain-codec.ts';

export type Row = Record<string, unknown>;

/** Rows of the one table `things`, by key. */
export interface Rows {
  get(key: string): Promise<Row | null>;
  put(key: string, row: Row): Promise<void>;
}

export interface OpenedProjectionStore<T> {
  /** A store of its own connections, as another process has. */
  connect(): ProjectionStore<T>;
  changes(projection: string): ChangesSource;
  /** Makes every lease older. */
  elapse(ms: number): Promise<void>;
}

export interface ProjectionStoreEngine<T> {
  /** Fresh and empty; keeps 10 rows of changes, and answers at most 5 a poll. */
  open(t: TestContext): Promise<OpenedProjectionStore<T>>;
  create(tx: T, tables: Tables): Promise<void>;
  rows(tx: T, tables: Tables): Rows;
  /** A row of a snapshot as it was put. */
  decodeRow(columns: Record<string, unknown>): Row;
}

export const THINGS: TableSpec = { name: 'things', key: ['key'] };

export interface Flaws {
  /** Applies what is poison to the others. */
  fixed?: boolean;
  revision?: number;
  /** May be fed by Kafka: then the streams are those of `K` and `O`. */
  fed?: boolean;
  reads?: 'personal' | 'public';
  /** Called with the events of every apply. */
  onApply?(count: number): void | Promise<void>;
}

/** Keeps the values of each stream in the order in which they came. */
export function thingsProjection<T>(engine: ProjectionStoreEngine<T>, flaws: Flaws = {}): Projection<T> {
  const apply = async (tx: T, tables: Tables, events: readonly DecodedEvent[]) => {
    await flaws.onApply?.(events.length);
    const rows = engine.rows(tx, tables);
    for (const event of events) {
      const { value, poison } = event.data as { value: number; poison?: boolean };
      const row = (await rows.get(event.stream)) as { values: number[] } | null;
      await rows.put(event.stream, { values: [...(row?.values ?? []), value] });
      // After a write, so that only a savepoint can undo it.
      if (poison && !flaws.fixed) throw new Error(`value ${value} is poison`);
    }
  };
  return {
    name: 'things',
    revision: flaws.revision ?? 1,
    ...(flaws.fed ? { order: 'stream' as const, domains: ['keys', 'owners'] } : { order: 'log' as const }),
    types: new Set(['thing.added', 'thing.strange']),
    tables: [THINGS],
    publishesChanges: !flaws.fed,
    create: (tx, tables) => engine.create(tx, tables),
    ...(flaws.reads === 'public'
      ? { reads: 'public' as const, apply }
      : { reads: 'personal' as const, apply }),
  };
}

export const A = 'thing-a' as StreamId;
export const B = 'thing-b' as StreamId;
export const C = 'thing-c' as StreamId;

export class Fixture<T> {
  readonly engine: ProjectionStoreEngine<T>;
  readonly opened: OpenedProjectionStore<T>;
  readonly store: ProjectionStore<T>;
  readonly log: MemoryEventLog;
  readonly #t: TestContext;
  readonly #versions = new Map<StreamId, number>();

  constructor(t: TestContext, engine: ProjectionStoreEngine<T>, opened: OpenedProjectionStore<T>) {
    this.#t = t;
    this.engine = engine;
    this.opened = opened;
    this.store = opened.connect();
    this.log = memoryEventLog({ clock: systemClock });
  }

  static async open<T>(t: TestContext, engine: ProjectionStoreEngine<T>): Promise<Fixture<T>> {
    return new Fixture(t, engine, await engine.open(t));
  }

  async append(stream: StreamId, type: string, data: unknown, timeMs = Date.now()): Promise<void> {
    const metadata: Metadata = {
      tenant: 'tnt_1',
      actor: 'system:test',
      commandId: randomUUID(),
      requestDigest: null,
      correlationId: 'c',
      causationId: null,
      traceparent: null,
    };
    const id = randomUUID() as EventId;
    const nonce = randomBytes(16);
    const events = await plainCodec.encode([{ id, type, data, timeMs, nonce, metadata }]);
    const version = this.#versions.get(stream) ?? 0;
    const answer = await this.log.append(stream, version, events);
    if (!answer.ok) throw new Error(`${stream} is at ${answer.actual}`);
    this.#versions.set(stream, answer.version);
  }

  add(stream: StreamId, ...values: number[]): Promise<void> {
    return values.reduce<Promise<void>>(
      (before, value) => before.then(() => this.append(stream, 'thing.added', { value })),
      Promise.resolve(),
    );
  }

  poison(stream: StreamId, value: number): Promise<void> {
    return this.append(stream, 'thing.added', { value, poison: true });
  }

  replay(stream: StreamId): Promise<void> {
    return this.append(stream, 'projection.replay-requested', { projection: 'things' });
  }

  discard(stream: StreamId, version: number): Promise<void> {
    return this.append(stream, 'projection.discard-requested', { projection: 'things', version });
  }

  /** After the log was truncated. */
  forgetVersions(): void {
    this.#versions.clear();
    for (const event of this.log.events) this.#versions.set(event.stream, event.version);
  }

  deps(flaws: Flaws = {}, over: Partial<RunnerDeps<T>> = {}): RunnerDeps<T> {
    return {
      projection: thingsProjection(this.engine, flaws),
      store: this.store,
      log: this.log,
      decoder: plainCodec,
      clock: systemClock,
      feed: null,
      ...over,
    };
  }

  /** Runs until stopped, at the latest when the test ends. */
  run(deps: RunnerDeps<T> = this.deps(), holder = 'runner-1', batchEvents?: number): Running {
    const stopping = new AbortController();
    const runner = projectionRunner(deps, { holder, batchEvents });
    const done = runner.run(stopping.signal);
    const stop = async () => {
      stopping.abort();
      await done;
    };
    this.#t.after(stop);
    return { runner, stop };
  }

  /** Runs until all that is in the log is applied, then stops. */
  async catchUp(deps: RunnerDeps<T> = this.deps()): Promise<void> {
    const running = this.run(deps);
    await this.reached();
    await running.stop();
  }

  async reached(): Promise<void> {
    const { position } = await this.log.head();
    await until(async () => (await this.current())?.bookmark.position === position, `reach ${position}`);
  }

  async current() {
    return (await this.store.revisions('things')).find((r) => r.state === 'current');
  }

  /** Values by stream in the current revision, or another. */
  async values(revision?: number): Promise<Record<string, unknown>> {
    const snapshot = await this.store.snapshot('things', revision ?? (await this.current())!.revision);
    const values: Record<string, unknown> = {};
    try {
      for await (const { columns } of snapshot.rows(THINGS)) {
        const row = this.engine.decodeRow(columns);
        values[row.key as string] = row.values;
      }
    } finally {
      await snapshot.close();
    }
    return values;
  }

  parked() {
    return this.store.parked('things', { limit: 100 });
  }

  /** The bookmark of the n-th event of the log, from 1; START for 0. */
  async at(n: number): Promise<Bookmark> {
    const { epoch } = await this.log.head();
    const event = n === 0 ? null : this.log.events[n - 1]!;
    return { epoch, position: event?.position ?? START, eventId: event?.id ?? null };
  }
}

export interface Running {
  readonly runner: ProjectionRunner;
  stop(): Promise<void>;
}

/** The decoder, refusing events whose data says how; and only to open them, those that say `sealed`. */
export const refusingDecoder: Decoder = {
  async decode(events) {
    const decoded = await plainCodec.decode(events);
    for (const { data } of decoded) refuse(data);
    return decoded;
  },
  decodePublic(event) {
    const decoded = plainCodec.decodePublic(event);
    if (!(decoded.data as { sealed?: boolean }).sealed) refuse(decoded.data);
    return decoded;
  },
};

function refuse(data: unknown): void {
  const { refuse } = data as { refuse?: string };
  if (refuse) throw Object.assign(new Error(`refused: ${refuse}`), { name: refuse });
}

/** Every call fails from `kill` on, as of a process that is gone. */
export function killable<T>(store: ProjectionStore<T>): ProjectionStore<T> & { kill(): void } {
  let killed = false;
  return new Proxy(store as ProjectionStore<T> & { kill(): void }, {
    get(target, name) {
      if (name === 'kill') return () => (killed = true);
      if (killed && name !== 'isTransient') return () => Promise.reject(new Error('killed'));
      return target[name as keyof ProjectionStore<T>];
    },
  });
}

const UNTIL_MS = 60_000;

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const startMs = Date.now(); Date.now() - startMs < UNTIL_MS; ) {
    if (await condition()) return;
    await delay(5);
  }
  throw new Error(`did not ${what} in ${UNTIL_MS} ms`);
}
