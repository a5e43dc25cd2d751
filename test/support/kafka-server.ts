/** A real Kafka broker for tests: one node that is broker and controller, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { kafkaJars } from './kafka-jars.ts';
import type { Cleanup } from './postgres.ts';
import { endChild, sweepServer, unrefAll } from './server-sweeper.ts';

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 20_000;
const MAX_HEAP = '-Xmx384m';

export interface KafkaServer {
  /** `host:port`, as KAFKA_BROKERS takes it. */
  readonly brokers: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the broker by this signal, and waits for its end; its data stay. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Freezes or thaws it. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again, on the same port and data. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface KafkaServerOptions {
  readonly port?: number;
  /** What clients are told to connect to: a proxy in front of it. */
  readonly advertisedPort?: number;
}

/** Its folder goes when it stops, or when this process ends in whatever way, and the broker with it. */
export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const jars = await kafkaJars();
  const folder = await mkdtemp(join(tmpdir(), 'plinth-kafka-'));
  const port = options.port ?? (await freePort());
  const controllerPort = await freePort();
  const config = join(folder, 'server.properties');
  await writeFile(config, properties(folder, port, controllerPort, options.advertisedPort ?? port));
  await writeFile(join(folder, 'log4j.properties'), LOGGING);
  const java = (main: string, ...args: string[]) =>
    spawn(
      'java',
      [
        ...[MAX_HEAP, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        `-Dlog4j.configuration=file:${join(folder, 'log4j.properties')}`,
        ...['-cp', join(jars, '*'), main, ...args],
      ],
      { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
    );
  const clusterId = randomBytes(16).toString('base64url').replaceAll('-', 'a');
  await ends(
    java('kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config),
    'the format of its folder',
  );

  const pidFile = join(folder, 'pid');
  const sweeper = sweepServer(pidFile, folder);
  let broker: ChildProcess | null = null;
  const launch = async () => {
    broker = java('kafka.Kafka', config);
    unrefAll(broker, broker.stdout, broker.stderr);
    await writeFile(pidFile, String(broker.pid));
    await ready(broker, folder);
  };
  const kill = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (broker) await endChild(broker, signal, STOP_TIMEOUT_MS);
  };
  const stop = async () => {
    await kill('SIGTERM');
    await sweeper.sweep();
  };
  try {
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    brokers: `127.0.0.1:${port}`,
    port,
    get pid() {
      return broker!.pid!;
    },
    kill,
    signal: (signal) => void broker?.kill(signal),
    restart: launch,
    stop,
  };
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

async function ready(broker: ChildProcess, folder: string): Promise<void> {
  let said = '';
  for (const stream of [broker.stdout!, broker.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const endMs = Date.now() + START_TIMEOUT_MS;
  while (!said.includes('Kafka Server started')) {
    if (broker.exitCode !== null || broker.signalCode !== null || Date.now() > endMs) {
      throw new Error(`Kafka did not start in ${folder}: ${said}`);
    }
    await pause(50);
  }
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
