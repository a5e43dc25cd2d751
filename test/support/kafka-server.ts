/** A real Kafka broker for tests: one node that is broker and controller, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { kafkaJars } from './kafka-jars.ts';
import type { Cleanup } from './postgres.ts';
import { type ServerKind, type ServerProcess, startServer } from './server-process.ts';

const KAFKA: ServerKind = {
  name: 'Kafka',
  ready: 'Kafka Server started',
  startTimeoutMs: 90_000,
  endTimeoutMs: 20_000,
};
const MAX_HEAP = '-Xmx384m';

/** Its data stay when it is killed. */
export interface KafkaServer extends ServerProcess {
  /** `host:port`, as KAFKA_BROKERS takes it. */
  readonly brokers: string;
  readonly port: number;
}

export interface KafkaServerOptions {
  readonly port?: number;
  /** What clients are told to connect to: a proxy in front of it. */
  readonly advertisedPort?: number;
}

export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const jars = await kafkaJars();
  const { port = await freePort() } = options;
  const controllerPort = await freePort();
  const clusterId = randomBytes(16).toString('base64url').replaceAll('-', 'a');
  const server = await startServer(KAFKA, async (folder) => {
    const config = join(folder, 'server.properties');
    const logging = join(folder, 'log4j.properties');
    await writeFile(config, properties(folder, port, controllerPort, options.advertisedPort ?? port));
    await writeFile(logging, LOGGING);
    const java = (main: string, ...args: string[]) => [
      ...[MAX_HEAP, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', `-Dlog4j.configuration=file:${logging}`],
      ...['-cp', join(jars, '*'), main, ...args],
    ];
    const format = java('kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config);
    await ends(
      spawn('java', format, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }),
      'the format of its folder',
    );
    return ['java', ...java('kafka.Kafka', config)];
  });
  return Object.assign(server, { brokers: `127.0.0.1:${port}`, port });
}

let own: Promise<KafkaServer> | undefined;
let prefixes = 0;

export interface TestKafka {
  readonly brokers: readonly string[];
  /** Of this test alone: topics, groups and transactional ids of others begin otherwise. */
  readonly prefix: string;
}

/**
 * The broker that the whole run shares: that of `TEST_KAFKA_BROKERS` (the test runner starts one and sets
 * it), else one of this process's own, which goes with it.
 */
export async function testKafka(): Promise<TestKafka> {
  const given = process.env.TEST_KAFKA_BROKERS;
  let brokers = given;
  if (brokers === undefined || brokers === '') {
    own ??= startKafka();
    brokers = (await own).brokers;
  }
  prefixes += 1;
  const prefix = `t${process.pid}-${prefixes}-${randomBytes(3).toString('hex')}`;
  return { brokers: brokers.split(','), prefix };
}

/** A broker of the test's own, to be killed and frozen. */
export async function ownKafka(t: Cleanup, options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const server = await startKafka(options);
  t.after(() => server.stop());
  return server;
}

/** Quiet but for what it says when it is ready, and for what is wrong. */
const LOGGING = `log4j.rootLogger=WARN, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%p %m%n
log4j.logger.kafka.server.KafkaRaftServer=INFO
`;

function properties(folder: string, port: number, controllerPort: number, advertisedPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${advertisedPort}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${join(folder, 'data')}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Otherwise a killed broker waits until its old registration lapses, 14 s as measured.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
`;
}

async function ends(child: ChildProcess, what: string): Promise<void> {
  let said = '';
  child.stdout!.on('data', (text) => {
    said += String(text);
  });
  child.stderr!.on('data', (text) => {
    said += String(text);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`Kafka: ${what} ended with ${code}: ${said.slice(-2_000)}`);
}
