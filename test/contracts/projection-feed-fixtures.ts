/** A log, a broker with relays, and runners that Kafka feeds: what the contracts of feed mode begin with. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { systemClock } from '../../infra/system-clock.ts';
import type { RunnerDeps } from '../../projections/runner.ts';
import type { Acquired, ProjectionStore } from '../../projections/store.ts';
import { verifyProjection } from '../../projections/verify-projection.ts';
import { type Bookmark, streamId } from '../../schemas/envelope.ts';
import { partitionOf } from '../../schemas/topics.ts';
import { beginGeneration } from '../../workers/begin-generation.ts';
import { relay } from '../../workers/relay.ts';
import { type MemoryBroker, memoryBroker } from '../engines/memory-broker.ts';
import { memoryRelayLeases } from '../engines/memory-relay-lease.ts';
import { Fixture, type Flaws, type ProjectionStoreEngine, until } from './projection-store-fixtures.ts';

export const PARTITIONS = 2;
/** One in each of the two partitions of a domain, and one of another domain. */
export const K0 = streamIn('key', 0);
export const K1 = streamIn('key', 1);
export const O = streamId('owner', 'o');

function streamIn(category: string, partition: number) {
  for (let i = 0; ; i++) {
    const stream = streamId(category, `s${i}`);
    if (partitionOf(stream, PARTITIONS) === partition) return stream;
  }
}

export class World<T> {
  readonly f: Fixture<T>;
  readonly broker: MemoryBroker;
  readonly #t: TestContext;
  readonly #leases = memoryRelayLeases(systemClock);

  constructor(t: TestContext, f: Fixture<T>) {
    this.#t = t;
    this.f = f;
    this.broker = memoryBroker({ clock: systemClock });
  }

  static async open<T>(t: TestContext, engine: ProjectionStoreEngine<T>): Promise<World<T>> {
    return new World(t, await Fixture.open(t, engine));
  }

  /** With a relay and one runner, which Kafka feeds by now. */
  static async openFed<T>(t: TestContext, engine: ProjectionStoreEngine<T>) {
    const w = await World.open(t, engine);
    const stopRelay = w.relay();
    const { runner, stop } = w.run();
    await w.fed();
    return { w, runner, stop, stopRelay };
  }

  relay(): () => Promise<void> {
    const stopping = new AbortController();
    const lease = this.#leases('relay');
    const topics = this.broker.connect().relayTopics();
    const { signal } = stopping;
    const running = relay(
      { log: this.f.log, topics, lease, clock: systemClock },
      { signal, partitions: PARTITIONS },
    );
    const done = running.run();
    const stop = async () => {
      stopping.abort();
      await done;
    };
    this.#t.after(stop);
    return stop;
  }

  /** As another process has it. */
  deps(flaws: Flaws = {}, over: Partial<RunnerDeps<T>> = {}): RunnerDeps<T> {
    const feed = this.broker.connect().feed();
    return this.f.deps({ ...flaws, fed: true }, { store: this.f.opened.connect(), feed, ...over });
  }

  run(holder = 'runner-1', deps = this.deps()) {
    return this.f.run(deps, holder);
  }

  /** Fed, and all that is in the log applied. */
  async fed(generation = 1): Promise<void> {
    await until(async () => (await this.f.current())?.feed?.generation === generation, 'be fed');
    await this.f.reached();
  }

  async inLogMode(): Promise<void> {
    await until(async () => (await this.f.current())?.feed === null, 'go back to the log');
  }

  /** Everything in the log is in the topics. */
  async relayed(): Promise<void> {
    const head = () => this.f.log.events.at(-1)!.position;
    await until(() => this.broker.record()!.bookmark.position === head(), 'be relayed');
  }

  /**
   * As if generation 1 had fed the keys alone from the checkpoint on, and the first partition had come
   * through the log's event `nth`; then it went back to the log, with a mark there.
   */
  async markedBy(
    held: Extract<Acquired, { kind: 'held' }>,
    bookmark: Bookmark,
    nth: number,
    work: Parameters<ProjectionStore<T>['advancePlaces']>[2],
  ): Promise<void> {
    const { store } = this.f;
    const { projection, revision } = held.lease;
    const k0 = { domain: 'keys', partition: 0, bookmark, offset: '0' };
    const generation = { generation: 1, partitions: PARTITIONS };
    await store.join(held.lease, bookmark, { ...generation, places: [k0, { ...k0, partition: 1 }] });
    const fed = { projection, revision, generation };
    const to = { ...k0, bookmark: await this.f.at(nth), offset: '2' };
    await store.advancePlaces(fed, [{ from: k0, to }], work);
    await store.leave(fed);
  }

  /** The lease of a revision that nobody has run yet. */
  async byHand(): Promise<Extract<Acquired, { kind: 'held' }>> {
    const { epoch } = await this.f.log.head();
    const revision = await this.f.store.open(this.deps().projection, 'serve', epoch);
    const held = await this.f.store.acquire('things', revision, 'by hand', 60_000);
    if (held.kind !== 'held') assert.fail(held.kind);
    return held;
  }

  newGeneration(partitions: number) {
    const topics = this.broker.connect().relayTopics();
    const lease = this.#leases('operator');
    return beginGeneration({ log: this.f.log, topics, lease, clock: systemClock }, partitions);
  }

  async verified(): Promise<number> {
    const options = { holder: randomUUID(), signal: new AbortController().signal };
    return (await verifyProjection(this.deps(), options))!.differences;
  }
}
