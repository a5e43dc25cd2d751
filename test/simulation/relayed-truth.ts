/**
 * What the topics may hold: for readers of what is committed, each partition is the log's events of its
 * streams, in order, each once, with true predecessors and with watermarks that promise nothing untrue.
 */
import assert from 'node:assert/strict';
import type { Epoch, Position, Recorded, StreamId } from '../../schemas/envelope.ts';
import { type Partition, partitionOf, type Relayed, topicDomainOf } from '../../schemas/topics.ts';
import type { RelayRecord } from '../../workers/relay-topics.ts';
import type { MemoryBroker } from '../engines/memory-broker.ts';

/** One history of the log: as it is, or as it was when it was replaced. */
export interface History {
  readonly epoch: Epoch;
  readonly events: readonly Recorded[];
}

export interface Truth {
  readonly broker: MemoryBroker;
  /** The topics of a generation follow one of them, from the first record to the last. */
  histories(): readonly History[];
  /** What the relay's first record of a generation said; null: there has been none. */
  firstOf(generation: number): RelayRecord | null;
  /** False: something was trimmed or deleted, so that the first record need not be the generation's first. */
  isWhole(generation: number, partition: Partition): boolean;
}

export function assertTopics(truth: Truth): void {
  const topics = Map.groupBy(truth.broker.topics(), (topic) => topic.generation);
  for (const ofGeneration of topics.values()) {
    const failures: unknown[] = [];
    const follows = (history: History) => {
      try {
        assertFollow(truth, ofGeneration, history);
        return true;
      } catch (error) {
        failures.push(error);
        return false;
      }
    };
    if (!truth.histories().some(follows)) throw failures[0];
  }
}

function assertFollow(truth: Truth, topics: ReturnType<MemoryBroker['topics']>, history: History): void {
  const { broker } = truth;
  const record = broker.record();
  for (const { domain, generation, partitions: made } of topics) {
    const first = truth.firstOf(generation);
    // A topic may have more partitions than its generation: nothing is written to them.
    const partitions = first?.partitions ?? 0;
    for (let partition = 0; partition < Math.min(partitions, made); partition++) {
      const place = { domain, partition };
      const name = `${domain}.${generation}/${partition}`;
      const events = eventsOf(history, place, partitions);
      const records = broker.committed(generation, place);
      const whole = truth.isWhole(generation, place);
      const begin = (whole ? null : records[0]?.predecessor) ?? first!.bookmark.position;

      const { last, left } = assertPartition(name, history, events, begin, records);
      // A transaction reaches one partition after the other.
      if (!whole || !broker.settled() || record === null || record.generation !== generation) continue;
      const { position } = record.bookmark;
      assert.ok(last <= position, `${name} is at ${last}, the relay's record at ${position}`);
      assert.equal(record.last[domain]![partition], last, `the record's last position of ${name}`);
      assert.ok(left === undefined || left.position > position, `${name} lacks ${left?.position}`);
    }
  }
}

/** Answers the position of its last record, and the first event that is not in it. */
function assertPartition(
  name: string,
  history: History,
  events: readonly Recorded[],
  begin: Position,
  records: readonly Relayed[],
): { readonly last: Position; readonly left: Recorded | undefined } {
  let last = begin;
  let next = events.findIndex((event) => event.position > begin);
  if (next < 0) next = events.length;
  for (const { offset, bookmark, predecessor, event } of records) {
    const where = `${name} offset ${offset}`;
    assert.equal(predecessor, last, `the predecessor of ${where}`);
    assert.equal(bookmark.epoch, history.epoch, `the epoch of ${where}`);
    if (event) {
      assert.equal(event.position, bookmark.position, `the bookmark of ${where}`);
      assert.deepEqual(nameOf(event), nameOf(events[next]), `${where} is not the next event`);
      next += 1;
    } else {
      const unseen = events[next];
      const { position } = bookmark;
      assert.ok(position >= last, `the watermark ${where} goes back from ${last} to ${position}`);
      assert.ok(!unseen || unseen.position > position, `the watermark ${where} covers ${unseen?.position}`);
    }
    const at = history.events[Number(bookmark.position) - 1];
    assert.equal(bookmark.eventId, at?.id ?? null, `the bookmark of ${where} is of another history`);
    last = bookmark.position;
  }
  return { last, left: events[next] };
}

function nameOf(event: Recorded | undefined): string {
  return event ? `${event.stream} ${event.version} ${event.id}` : 'nothing';
}

function eventsOf(history: History, { domain, partition }: Partition, partitions: number): Recorded[] {
  return history.events.filter(
    ({ stream }) => topicDomainOf(stream) === domain && cachedPartitionOf(stream, partitions) === partition,
  );
}

const known = new Map<string, number>();

/** The hash of a stream is asked for at every record of every schedule. */
export function cachedPartitionOf(stream: StreamId, partitions: number): number {
  const key = `${partitions} ${stream}`;
  const partition = known.get(key) ?? partitionOf(stream, partitions);
  known.set(key, partition);
  return partition;
}
