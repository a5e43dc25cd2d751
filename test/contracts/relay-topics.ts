/**
 * The contract of the port through which the relay writes to Kafka. An adapter inherits it in a few lines:
 *
 *     relayTopicsContract('the topics in X', { open: async (t) => ({ relayTopics: () => …, … }) });
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { MAX_EVENT_BYTES } from '../../schemas/envelope.ts';
import { type Partition, type Relayed, topicDomains } from '../../schemas/topics.ts';
import { RelayFenced, type RelayTopics } from '../../workers/relay-topics.ts';
import { newEvent } from './event-log-fixtures.ts';
import {
  asWritten,
  bookmarkOf,
  home,
  outgoing,
  PARTITIONS,
  positionOf,
  recordAt,
  watermark,
} from './relayed-fixtures.ts';

export interface OpenedTopics {
  /** As each time another process has them, closed after the test. */
  relayTopics(): RelayTopics;
  /** What a reader of what is committed finds, from the earliest on. */
  committed(generation: number, partition: Partition): Promise<readonly Relayed[]>;
  deleteTopic(generation: number, domain: string): Promise<void>;
  deletePositionTopic(): Promise<void>;
}

export interface RelayTopicsContractOptions {
  /** Topics of a prefix that nobody has used. */
  open(t: TestContext): Promise<OpenedTopics>;
  readonly skip?: string | false;
}

/** More take-overs than a reader of the position topic looks back at first. */
const TAKE_OVERS = 24;
/** What one transaction of the relay may carry. */
const BATCH_BYTES = 4 * 1024 * 1024;

export function relayTopicsContract(name: string, { open, skip = false }: RelayTopicsContractOptions): void {
  describe(name, { skip }, () => {
    test('where no relay has worked, there is no record and nothing is held', async (t) => {
      const { relayTopics } = await open(t);
      assert.deepEqual(await relayTopics().takeOver(), {
        record: null,
        topicsHoldRecords: false,
        lastGeneration: 0,
      });
    });

    test('what is committed comes back in its partition, in order and exact', async (t) => {
      const { relayTopics, committed } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      const other = { ...home, partition: 0 };
      const odd = { data: Buffer.from([0, 255, 128, 10]), metadata: Buffer.from([195, 40]) };
      const written = [outgoing(1, 0), outgoing(2, 1, odd), outgoing(3, 0, {}, other), watermark(3, 2)];
      await relay.commit(written, recordAt(3));
      await relay.commit([outgoing(4, 3)], recordAt(4));
      const here = await committed(1, home);
      assert.deepEqual(here.map(asWritten), [
        ...written.filter(({ partition }) => partition === home.partition).map(asWritten),
        { ...asWritten(here.at(-1)!), bookmark: bookmarkOf(4), predecessor: positionOf(3) },
      ]);
      assert.deepEqual((await committed(1, other)).map(asWritten), [asWritten(written[2]!)]);
      const offsets = here.map(({ offset }) => BigInt(offset));
      assert.ok(offsets.every((offset, index) => index === 0 || offset > offsets[index - 1]!));
    });

    test('a successor finds the last record, exact, however many have taken over since', async (t) => {
      const { relayTopics } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      const last = Object.fromEntries(
        Object.keys(topicDomains).map((domain, n) => [domain, [positionOf(n), positionOf(7)]]),
      );
      await relay.commit([], recordAt(6));
      await relay.commit([], recordAt(7, { last }));
      const successor = relayTopics();
      for (let n = 0; n < TAKE_OVERS; n++) {
        const { record, lastGeneration } = await (n % 2 === 0 ? successor : relay).takeOver();
        assert.deepEqual(record, recordAt(7, { last }));
        assert.equal(lastGeneration, 1);
      }
    });

    test('a predecessor commits nothing any more, and knows that it is fenced', async (t) => {
      const { relayTopics, committed } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([outgoing(1, 0)], recordAt(1));
      const successor = relayTopics();
      assert.deepEqual((await successor.takeOver()).record, recordAt(1));
      await assert.rejects(relay.commit([outgoing(2, 1, { version: 99 })], recordAt(2)), RelayFenced);
      await successor.commit([outgoing(2, 1)], recordAt(2));
      const versions = (await committed(1, home)).map(({ event }) => event?.version);
      assert.deepEqual(versions, [1, 2]);
    });

    test('it commits only after it has taken over, and after a failure only when it has done so again', async (t) => {
      const { relayTopics, committed } = await open(t);
      const relay = relayTopics();
      await assert.rejects(relay.commit([outgoing(1, 0)], recordAt(1)), /take over first/);
      await relay.takeOver();
      await relay.commit([outgoing(1, 0)], recordAt(1));
      await relayTopics().takeOver();
      await assert.rejects(relay.commit([outgoing(2, 1)], recordAt(2)), RelayFenced);
      await assert.rejects(relay.commit([outgoing(2, 1)], recordAt(2)), /take over first/);
      assert.deepEqual((await relay.takeOver()).record, recordAt(1));
      await relay.commit([outgoing(2, 1)], recordAt(2));
      assert.equal((await committed(1, home)).length, 2);
    });

    test('a commit without records makes the topics and moves the record', async (t) => {
      const { relayTopics, committed } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([], recordAt(0));
      for (const domain of Object.keys(topicDomains)) {
        for (let partition = 0; partition < PARTITIONS; partition++) {
          assert.deepEqual(await committed(1, { domain, partition }), []);
        }
      }
      const { record, lastGeneration } = await relayTopics().takeOver();
      assert.deepEqual([record, lastGeneration], [recordAt(0), 1]);
    });

    test('a lost position topic is told from a first start by the records that the topics hold', async (t) => {
      const { relayTopics, deletePositionTopic } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([outgoing(1, 0)], recordAt(1));
      await relay.commit([], recordAt(1, { generation: 3 }));
      await deletePositionTopic();
      const lost = { record: null, topicsHoldRecords: true, lastGeneration: 3 };
      assert.deepEqual(await relayTopics().takeOver(), lost);
      assert.deepEqual(await relay.takeOver(), lost, 'nor does one that knew it before');
    });

    test('another generation has topics of its own, with its own number of partitions', async (t) => {
      const { relayTopics, committed } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([outgoing(1, 0)], recordAt(1));
      const at = { domain: 'keys', partition: 4 };
      const wider = { generation: 2, partitions: 5 };
      await relay.commit([outgoing(2, 1, {}, at)], recordAt(2, wider));
      assert.deepEqual(
        (await committed(2, at)).map(({ bookmark }) => bookmark),
        [bookmarkOf(2)],
      );
      assert.equal((await committed(1, home)).length, 1);
      const { record, lastGeneration } = await relayTopics().takeOver();
      assert.deepEqual([record, lastGeneration], [recordAt(2, wider), 2]);
    });

    test('topics with fewer partitions than the record says are refused by name', async (t) => {
      const { relayTopics } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([], recordAt(0, { partitions: 1 }));
      const successor = relayTopics();
      await successor.takeOver();
      await assert.rejects(successor.commit([], recordAt(0, { partitions: 2 })), /has 1 partitions/);
    });

    test('a deleted topic is made anew by the next that takes over', async (t) => {
      const { relayTopics, committed, deleteTopic } = await open(t);
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([outgoing(1, 0)], recordAt(1));
      await deleteTopic(1, home.domain);
      await assert.rejects(relay.commit([outgoing(2, 1)], recordAt(2)));
      assert.deepEqual((await relay.takeOver()).record, recordAt(1));
      await relay.commit([outgoing(2, 1)], recordAt(2));
      assert.deepEqual(
        (await committed(1, home)).map(({ predecessor }) => predecessor),
        [positionOf(1)],
      );
    });

    test('the largest event passes, and as many of them as one transaction may carry, all to one partition', async (t) => {
      const { relayTopics, committed } = await open(t);
      const { type, metadata } = newEvent();
      const data = Buffer.alloc(MAX_EVENT_BYTES - type.length - metadata.length, 0x7f);
      const count = BATCH_BYTES / MAX_EVENT_BYTES;
      const largest = Array.from({ length: count }, (_, n) => outgoing(n + 1, n, { data }));
      const heavy = outgoing(count + 1, count, {
        data: Buffer.alloc(0),
        metadata: Buffer.alloc(MAX_EVENT_BYTES - type.length, 0x20),
      });
      const relay = relayTopics();
      await relay.takeOver();
      await relay.commit([...largest, heavy], recordAt(count + 1));
      const found = await committed(1, home);
      assert.deepEqual(found.map(asWritten), [...largest, heavy].map(asWritten));
    });
  });
}
