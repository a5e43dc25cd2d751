/** Real Redis servers for tests: Debian's `redis-server`, each in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import type { Cleanup } from './postgres.ts';
import { endChild, sweepServer, unrefAll } from './server-sweeper.ts';
import { redisProgram } from './servers.ts';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const CLUSTER_TIMEOUT_MS = 60_000;
const CLUSTER_NODES = 3;

export interface RedisServer {
  /** As REDIS_URL takes it. */
  readonly url: string;
  readonly port: number;
  /** Ends the server by this signal, and waits for its end. What it held is kept only if it is durable. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Freezes or thaws it: connections stay, and hang. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
  /** What `redis-cli` answers to these words. */
  cli(...words: string[]): Promise<string>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  readonly port?: number;
  readonly password?: string;
  /** Whether a restart finds what was written; without it, a restart is a flush. */
  readonly durable?: boolean;
  readonly cluster?: boolean;
}

/** Ready in 25 to 45 ms. Its folder goes when it stops, or when this process ends in whatever way. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'plinth-redis-'));
  const port = options.port ?? (await freePort());
  const pidFile = join(folder, 'pid');
  const sweeper = sweepServer(pidFile, folder);
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', options.durable ? 'yes' : 'no'],
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
    // The port that nodes talk on is the other by 10,000, unless it is told.
    ...(options.cluster
      ? [
          '--cluster-enabled',
          'yes',
          '--cluster-port',
          String(await freePort()),
          '--cluster-node-timeout',
          '2000',
          // As docs/operator.md asks for: a node that is gone takes only its own keys with it.
          '--cluster-require-full-coverage',
          'no',
        ]
      : []),
  ];
  let server: ChildProcess | null = null;
  const launch = async () => {
    server = spawn(redisProgram(), args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    unrefAll(server, server.stdout, server.stderr);
    await writeFile(pidFile, String(server.pid));
    await ready(server);
  };
  const kill = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (server) await endChild(server, signal, STOP_TIMEOUT_MS);
  };
  const stop = async () => {
    // A frozen one is ended too.
    await kill('SIGKILL');
    await sweeper.sweep();
  };
  try {
    await launch();
  } catch (error) {
    await stop();
    throw error;
  }
  const login = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  return {
    url: `redis://${login}127.0.0.1:${port}`,
    port,
    kill,
    signal: (signal) => void server?.kill(signal),
    restart: launch,
    cli: (...words) => redisCli(['-p', String(port), ...words], options.password),
    stop,
  };
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

async function ready(server: ChildProcess): Promise<void> {
  let said = '';
  for (const stream of [server.stdout!, server.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const endMs = Date.now() + START_TIMEOUT_MS;
  while (!said.includes('Ready to accept connections')) {
    if (server.exitCode !== null || server.signalCode !== null || Date.now() > endMs) {
      throw new Error(`Redis did not start: ${said}`);
    }
    await pause(5);
  }
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
