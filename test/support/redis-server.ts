/** Real Redis servers for tests: Debian's `redis-server`, each in a folder of its own. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import type { Cleanup } from './postgres.ts';
import { type ServerKind, type ServerProcess, startServer } from './server-process.ts';
import { redisProgram } from './servers.ts';

const REDIS: ServerKind = {
  name: 'Redis',
  ready: 'Ready to accept connections',
  startTimeoutMs: 20_000,
  endTimeoutMs: 5_000,
};
const CLUSTER_TIMEOUT_MS = 60_000;
const CLUSTER_NODES = 3;

/** What it held it still has after a kill only if it is durable. */
export interface RedisServer extends ServerProcess {
  /** As REDIS_URL takes it. */
  readonly url: string;
  readonly port: number;
  /** What `redis-cli` answers to these words. */
  cli(...words: string[]): Promise<string>;
}

export interface RedisServerOptions {
  readonly port?: number;
  readonly password?: string;
  /** Whether a restart finds what was written; without it, a restart is a flush. */
  readonly durable?: boolean;
  readonly cluster?: boolean;
}

/** Ready in 25 to 45 ms. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { port = await freePort(), password, durable = false } = options;
  const cluster = [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'],
    // The port that nodes talk on is the other by 10,000, unless it is told.
    ...['--cluster-port', String(await freePort())],
    // As docs/operator.md asks for: a node that is gone takes only its own keys with it.
    ...['--cluster-require-full-coverage', 'no'],
  ];
  const server = await startServer(REDIS, async (folder) => [
    redisProgram(),
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', durable ? 'yes' : 'no'],
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...(options.cluster ? cluster : []),
  ]);
  const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return Object.assign(server, {
    url: `redis://${login}127.0.0.1:${port}`,
    port,
    cli: (...words: string[]) => redisCli(['-p', String(port), ...words], password),
  });
}

export interface RedisCluster {
  /** As REDIS_URL takes it: every node. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Three masters without replicas; takes about 2 s. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let i = 0; i < CLUSTER_NODES; i++) nodes.push(await startRedis({ cluster: true }));
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    await redisCli(['--cluster', 'create', ...addresses, '--cluster-yes']);
    const endMs = Date.now() + CLUSTER_TIMEOUT_MS;
    for (const node of nodes) {
      while (!(await node.cli('cluster', 'info')).includes('cluster_state:ok')) {
        if (Date.now() > endMs) throw new Error('the cluster did not come up');
        await pause(50);
      }
    }
    return { url: `redis://${addresses.join(',')}`, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A server of the test's own, to be killed and frozen. */
export async function ownRedis(t: Cleanup, options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  t.after(() => server.stop());
  return server;
}

/** The program beside the server, or the one that the path has. */
function redisCli(words: readonly string[], password?: string): Promise<string> {
  const program = redisProgram().includes('/') ? join(dirname(redisProgram()), 'redis-cli') : 'redis-cli';
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(password === undefined ? {} : { REDISCLI_AUTH: password }) },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(said.trim());
      else reject(new Error(`redis-cli ended with ${code}: ${said.slice(-2_000)}`));
    });
  });
}
