/**
 * Loaded before a role (`node --import`), it makes the process die at a named point when it is told to. The
 * product knows nothing of it: it wraps what the role calls of its drivers, kafkajs and pg.
 *
 * FAULT_KILL_FILE names the file that says where: `<point> <nth>`, or nothing. It is read at the start, and
 * when SIGUSR2 comes.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as KafkaJs from 'kafkajs';
import type pg from 'pg';
import { killSwitch } from '../crash/kill-points.ts';
import type { KillPoint } from './kill-points.ts';

/** A projection that Kafka feeds. */
const KEY_LIST = 'key_list';
/** About half as long as the broker takes to commit. */
const COMMIT_SENT_MS = 2;

const { arm, disarm, reach } = killSwitch<KillPoint>();

function armAsTold(): void {
  disarm();
  try {
    const [point = '', nth] = readFileSync(process.env.FAULT_KILL_FILE!, 'utf8').split(' ');
    if (point !== '') arm(point as KillPoint, Number(nth), 0);
  } catch {
    // There is no such file: nothing kills it.
  }
}

// The launcher tries its programs out before it runs one.
if (process.env.FAULT_KILL_FILE !== undefined && process.argv[1]?.endsWith('plinth.ts')) {
  process.on('SIGUSR2', armAsTold);
  armAsTold();
  const require = createRequire(import.meta.url);
  wrapKafka((require('kafkajs') as typeof KafkaJs).Kafka.prototype);
  wrapPostgres((require('pg') as typeof pg).Client.prototype);
}

/** This process wrote the places of the key list: the member that connects next is its first. */
let joined = false;

function wrapKafka(kafka: KafkaJs.Kafka): void {
  const { producer: makeProducer, consumer: makeConsumer } = kafka;
  kafka.producer = function (this: KafkaJs.Kafka, config) {
    const producer = makeProducer.call(this, config);
    let transactions = 0;
    return {
      ...producer,
      // The first is empty and fences, the second carries the marker, all others events or watermarks.
      async transaction() {
        transactions += 1;
        if (transactions === 2) reach('relay-fenced');
        if (transactions === 3) reach('relay-took-over');
        const transaction = await producer.transaction();
        return transactions < 3 ? transaction : lethalTransaction(transaction);
      },
    };
  };
  kafka.consumer = function (this: KafkaJs.Kafka, config) {
    const consumer = makeConsumer.call(this, config);
    return {
      ...consumer,
      connect() {
        if (joined) reach('join-committed');
        return consumer.connect();
      },
      seek(place) {
        consumer.seek(place);
        reach('fed-assigned');
      },
      disconnect() {
        reach('fed-leaves');
        return consumer.disconnect();
      },
    };
  };
}

function lethalTransaction(transaction: KafkaJs.Transaction): KafkaJs.Transaction {
  return {
    ...transaction,
    async sendBatch(batch) {
      const sent = await transaction.sendBatch(batch);
      // Events have keys, and so has the relay's own record.
      const keyless = batch.topicMessages!.flatMap(({ messages }) => messages.filter(({ key }) => !key));
      const all = batch.topicMessages!.reduce((count, { messages }) => count + messages.length, 0);
      if (keyless.length < all - 1) reach('relay-events-sent');
      if (keyless.length > 0) reach('relay-watermarks-sent');
      return sent;
    },
    async commit() {
      const committing = transaction.commit();
      setTimeout(reach, COMMIT_SENT_MS, 'relay-commit-sent');
      await committing;
      reach('relay-committed');
    },
  };
}

type Callback = (...args: unknown[]) => unknown;
type Query = (this: pg.Client, config: unknown, ...rest: unknown[]) => unknown;

function wrapPostgres(client: { query: unknown }): void {
  const query = client.query as Query;
  /** Connections on which a batch of one that Kafka feeds is being written. */
  const fed = new WeakSet<pg.Client>();
  const wrapped: Query = function (config, ...rest) {
    const { text, name, values } = (typeof config === 'string' ? { text: config } : config) as {
      text: string;
      name?: string;
      values?: readonly unknown[];
    };
    const begins = text.startsWith('BEGIN; SET LOCAL idle_in_transaction_session_timeout');
    if (begins) {
      fed.add(this);
      reach('fed-before-transaction');
    }
    const commits = fed.has(this) && text.endsWith('; COMMIT');
    if (commits) {
      fed.delete(this);
      reach('fed-rows-written');
    }
    if (text === 'ROLLBACK') fed.delete(this);
    if (text.startsWith('DELETE FROM plinth_relay.lease')) reach('relay-leaves');
    const answered = () => {
      if (commits) reach('fed-committed');
      if (name === 'projection-move-places')
        reach(fed.has(this) ? 'fed-place-moved' : 'fed-watermark-passed');
      if (!text.includes('INSERT INTO plinth.places') || values?.[0] !== KEY_LIST) return;
      joined = true;
      reach('join-places-written');
    };
    const told = rest.map((one) => (typeof one === 'function' ? before(answered, one as Callback) : one));
    const answer = query.call(this, config, ...told);
    if (commits) setImmediate(reach, 'fed-commit-sent');
    return answer instanceof Promise ? answer.then(passing(answered)) : answer;
  };
  client.query = wrapped;
}

/** `pool.query` of pg calls back instead. */
function before(answered: () => void, callback: Callback): Callback {
  return (error: unknown, ...rest: unknown[]) => {
    if (!error) answered();
    return callback(error, ...rest);
  };
}

function passing(answered: () => void) {
  return (result: unknown) => {
    answered();
    return result;
  };
}
