/** Verbs and roles whose engines do not answer: one sentence, which engine and what to check, and no secret. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { testKafka } from '../support/kafka-server.ts';
import { dataFolder, type Ended, embedded, plinth } from '../support/platform-process.ts';
import { testDatabase } from '../support/postgres.ts';
import { without } from '../support/servers.ts';

function tells(ended: Ended, sentence: string): void {
  assert.equal(ended.stderr, `plinth: ${sentence}\n`);
  assert.equal(ended.code, 1);
}

test('a Kafka that is away is told by the verbs of the relay', async (t) => {
  const broker = `127.0.0.1:${await freePort()}`;
  const env = embedded(await dataFolder(t), {
    DATABASE_URL: await testDatabase(t),
    KAFKA_BROKERS: broker,
  });
  for (const verb of ['status', 'restart']) {
    const ended = await plinth(['relay', verb], { env });
    tells(ended, `Kafka at ${broker} does not answer (ECONNREFUSED): check KAFKA_BROKERS.`);
  }
});

test('an EventStoreDB that is away is told by every role and verb, and by the option that named it', async (t) => {
  const server = `127.0.0.1:${await freePort()}`;
  const url = `esdb://admin:hunter2@${server}?tls=false`;
  const inPostgres = embedded(await dataFolder(t), { DATABASE_URL: await testDatabase(t), OTHER: url });
  const env = { ...inPostgres, EVENT_LOG_URL: url, OTHER: inPostgres.DATABASE_URL! };
  const setting = `EventStoreDB at ${server} does not answer: check EVENT_LOG_URL.`;
  for (const args of [['api'], ['scheduler'], ['projections', 'list'], ['log', 'tail']]) {
    tells(await plinth(args, { env }), setting);
  }
  tells(await plinth(['log', 'copy', '--to', 'env:OTHER'], { env }), setting);
  for (const option of ['--to', '--from']) {
    const other = option === '--to' ? [] : ['--to', 'settings'];
    const ended = await plinth(['log', 'copy', option, 'env:OTHER', ...other], { env: inPostgres });
    tells(ended, `EventStoreDB at ${server} does not answer: check ${option}.`);
  }
});

test('a key store that is away is told by its own setting', async (t) => {
  const port = await freePort();
  const env = embedded(await dataFolder(t), {
    DATABASE_URL: await testDatabase(t),
    DATA_KEYS_URL: `postgres://keys:hunter2@127.0.0.1:${port}/keys`,
  });
  const sentence = `The database does not answer (connect ECONNREFUSED 127.0.0.1:${port}): check DATA_KEYS_URL.`;
  for (const args of [['scheduler'], ['projections', 'list']]) tells(await plinth(args, { env }), sentence);
});

test('a number of partitions that no topic may have is refused by the bounds of the setting', async () => {
  for (const partitions of ['0', '1001']) {
    const ended = await plinth(['relay', 'restart', '--partitions', partitions]);
    assert.equal(ended.code, 1);
    assert.match(
      ended.stderr,
      /^error: option '--partitions <n>' argument '\w+' is invalid\. It must be a whole number from 1 to 1000\./,
    );
  }
  const none = await plinth(['log', 'tail', '--count', '0']);
  assert.match(none.stderr, /'--count <n>' argument '0' is invalid\. It must be a whole number from 1 to /);
});

test('topics that the brokers cannot have are told in one sentence', {
  skip: without('kafka'),
}, async (t) => {
  const { brokers, prefix } = await testKafka();
  const env = embedded(await dataFolder(t), {
    DATABASE_URL: await testDatabase(t),
    KAFKA_BROKERS: brokers.join(','),
    KAFKA_TOPIC_PREFIX: prefix,
    KAFKA_REPLICAS: '3',
  });
  const ended = await plinth(['relay', 'restart'], { env });
  assert.match(
    ended.stderr,
    /^plinth: Kafka does not make topic \S+ with 3 copies \(INVALID_REPLICATION_FACTOR: .*\): check KAFKA_REPLICAS .*\.\n$/,
  );
  assert.equal(ended.code, 1);
});

test('a verb that a role does not know is told with what may have been meant', async () => {
  const ended = await plinth(['relay', 'stauts']);
  assert.match(ended.stderr, /^error: unknown command 'stauts'\n\(Did you mean status\?\)/);
  assert.equal(ended.code, 1);
});

test('a copy ends with the steps of the page: what appends stops before the relay, and the relay once nothing waits', async (t) => {
  const env = embedded(await dataFolder(t), {
    DATABASE_URL: await testDatabase(t),
    OTHER: await testDatabase(t),
  });
  const { stdout, stderr } = await plinth(['log', 'copy', '--to', 'env:OTHER'], { env });
  assert.match(
    stdout,
    /stop api and scheduler.*nothing waits.*plinth relay status.*stop relay and projector, copy once more.*plinth log restored.*plinth projections rebuild.*plinth relay restart/s,
    stderr,
  );
});
