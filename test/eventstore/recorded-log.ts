/** What a node of EventStoreDB remembers, and by which rules it takes more: in memory, for one node. */

export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface StoredEvent extends ProposedEvent {
  readonly stream: string;
  /** From 0. */
  readonly revision: bigint;
  /** Commit and prepare position are the same for single writes. */
  readonly position: bigint;
  /** 100-nanosecond ticks since 1970. */
  readonly created: bigint;
}

export type ExpectedRevision = 'any' | 'no_stream' | 'stream_exists' | bigint;

export type AppendOutcome =
  | {
      readonly kind: 'success';
      readonly revision: bigint;
      /** Null: it was there already, and the node does not say where. */
      readonly position: bigint | null;
    }
  | { readonly kind: 'wrong_expected_version'; readonly current: bigint | null }
  | { readonly kind: 'stream_deleted' };

interface Stream {
  readonly events: StoredEvent[];
  /** Revisions below are gone from reads of the stream. */
  truncateBefore: bigint;
  deleted: boolean;
  last: bigint;
}

const MAX_RECENT_IDS = 20_000;
const DELETED = 9_223_372_036_854_775_807n;

export class RecordedLog {
  readonly all: StoredEvent[] = [];
  readonly #streams = new Map<string, Stream>();
  /** Ids of late, for appends that expect any version. */
  readonly #recent = new Map<string, StoredEvent>();
  readonly #watchers = new Set<() => void>();
  #end = 0n;

  append(name: string, expected: ExpectedRevision, events: readonly ProposedEvent[]): AppendOutcome {
    const stream = this.#streams.get(name);
    const current = stream?.last ?? null;
    const conflict = { kind: 'wrong_expected_version', current } as const;
    if (expected === 'any' || expected === 'stream_exists') {
      if (expected === 'stream_exists') {
        if (stream?.deleted) return { kind: 'stream_deleted' };
        if (current === null) return conflict;
      }
      const known = events.map(({ id }) => this.#recent.get(`${name} ${id}`));
      if (known.length > 0 && known.every((event) => event !== undefined)) {
        return { kind: 'success', revision: known.at(-1)!.revision, position: null };
      }
      // The first one decides: where it is new, all of it is.
      if (known[0] !== undefined) return conflict;
      return this.#write(name, events);
    }
    const at = expected === 'no_stream' ? -1n : expected;
    const last = stream?.deleted && expected === 'no_stream' ? -1n : (current ?? -1n);
    if (at === last) return this.#write(name, events);
    if (at > last) return conflict;
    // Below the end: the same events, in their order, were written there by an earlier try.
    const first = Number(at + 1n);
    const there = stream!.events.slice(first, first + events.length);
    if (there.length === events.length && there.every((event, index) => event.id === events[index]!.id)) {
      return { kind: 'success', revision: at + BigInt(events.length), position: null };
    }
    return conflict;
  }

  #write(name: string, events: readonly ProposedEvent[]): AppendOutcome {
    const stream = this.#streams.get(name) ?? { events: [], truncateBefore: 0n, deleted: false, last: -1n };
    this.#streams.set(name, stream);
    if (stream.deleted) {
      stream.deleted = false;
      stream.truncateBefore = stream.last + 1n;
    }
    const created = BigInt(Date.now()) * 10_000n;
    for (const event of events) {
      stream.last += 1n;
      // Positions are places in a file: they have gaps.
      this.#end += 137n + BigInt(event.data.length);
      const stored = { ...event, stream: name, revision: stream.last, position: this.#end, created };
      stream.events.push(stored);
      this.all.push(stored);
      this.#recent.set(`${name} ${event.id}`, stored);
    }
    for (const key of this.#recent.keys()) {
      if (this.#recent.size <= MAX_RECENT_IDS) break;
      this.#recent.delete(key);
    }
    for (const watch of [...this.#watchers]) watch();
    return { kind: 'success', revision: stream.last, position: this.#end };
  }

  /** Soft: the next append goes on behind the last revision. */
  delete(name: string, expected: ExpectedRevision): AppendOutcome {
    const stream = this.#streams.get(name);
    const current = stream?.last ?? null;
    const fits =
      expected === 'any' || (expected === 'stream_exists' ? stream !== undefined : expected === current);
    if (!stream || !fits) return { kind: 'wrong_expected_version', current };
    stream.deleted = true;
    stream.truncateBefore = DELETED;
    this.append(`$$${name}`, 'any', [systemEvent('$metadata', { $tb: DELETED.toString() })]);
    return { kind: 'success', revision: stream.last, position: this.#end };
  }

  /** Null: there is no such stream, or it is deleted. */
  stream(name: string): readonly StoredEvent[] | null {
    const stream = this.#streams.get(name);
    if (!stream || stream.deleted) return null;
    return stream.truncateBefore === 0n
      ? stream.events
      : stream.events.filter(({ revision }) => revision >= stream.truncateBefore);
  }

  /** As after many other appends. */
  forgetRecentIds(): void {
    this.#recent.clear();
  }

  /** What a node writes about itself. */
  writeSystemEvents(count: number): void {
    for (let i = 0; i < count; i++) {
      this.append('$stats-127.0.0.1:2113', 'any', [systemEvent('$statsCollected', { i })]);
    }
  }

  /** A failover to a node that had not received the last events: their positions are handed out again. */
  truncateTail(count: number): void {
    for (const event of this.all.splice(Math.max(0, this.all.length - count))) {
      const stream = this.#streams.get(event.stream)!;
      stream.events.pop();
      stream.last -= 1n;
      this.#recent.delete(`${event.stream} ${event.id}`);
      if (stream.events.length === 0) this.#streams.delete(event.stream);
    }
    this.#end = this.all.at(-1)?.position ?? 0n;
  }

  /** Index of the first event behind the position. */
  indexAfter(position: bigint): number {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.all[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Told of every write, until it is unwatched. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

function systemEvent(type: string, data: object): ProposedEvent {
  return {
    id: crypto.randomUUID(),
    type,
    contentType: 'application/json',
    data: Buffer.from(JSON.stringify(data)),
    metadata: new Uint8Array(0),
  };
}
