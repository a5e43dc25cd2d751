/**
 * The client of Redis, behind one door. It is loaded as CommonJS: loaded as a module, its spans would be
 * missing without a word.
 */
import { createRequire } from 'node:module';
import type * as IoRedis from 'ioredis';
import { refuseDebugOutput } from '../debug-output.ts';
import { replyCode } from './redis-failure.ts';
import type { RedisNode, RedisTarget } from './redis-url.ts';

refuseDebugOutput('ioredis', 'ioredis');
const ioredis = createRequire(import.meta.url)('ioredis') as typeof IoRedis;

export type Client = IoRedis.Redis | IoRedis.Cluster;

const CONNECT_TIMEOUT_MS = 2_000;
/** A socket that owes an answer for so long is given up: one that was cut without a word hangs for minutes. */
const SILENT_SOCKET_MS = 2_000;
const MAX_RETRY_DELAY_MS = 1_000;

/** Attempts to connect never end. */
function retryDelayMs(attempt: number): number {
  return Math.min(MAX_RETRY_DELAY_MS, 50 * 2 ** Math.min(attempt, 10));
}

function options(target: RedisTarget) {
  return {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password.reveal() }),
    ...(target.tls ? { tls: {} } : {}),
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENT_SOCKET_MS,
    // What was in flight when a connection broke fails at once: sent again, it would count twice.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  } as const;
}

/** Of a server, or of a cluster where there are several nodes. Connects by itself, for ever. */
export function commandClient(target: RedisTarget): Client {
  if (target.nodes.length === 1) {
    return new ioredis.Redis({
      ...options(target),
      ...target.nodes[0]!,
      db: target.database,
      enableOfflineQueue: false,
      retryStrategy: retryDelayMs,
      // After a failover the name leads to another server, and this one may keep its connections.
      reconnectOnError: ({ message }) => replyCode(message).startsWith('READONLY'),
    });
  }
  return new ioredis.Cluster([...target.nodes], {
    redisOptions: options(target),
    enableOfflineQueue: false,
    clusterRetryStrategy: retryDelayMs,
    // Nodes are taken as they are named: a certificate is for the name.
    dnsLookup: (address, callback) => callback(null, address),
    // Few and short: the caller's deadline is near.
    maxRedirections: 3,
    retryDelayOnFailover: 50,
    retryDelayOnClusterDown: 50,
    retryDelayOnTryAgain: 50,
    slotsRefreshTimeout: 1_000,
    slotsRefreshInterval: 5_000,
  });
}

/** What a server is called among nodes, and slots of a cluster of which nobody is known to have them. */
const ONLY_NODE = '';

/** The node that has the key now, as far as is known. */
export function nodeOf(client: Client, key: string): string {
  if (!(client instanceof ioredis.Cluster)) return ONLY_NODE;
  return client.slots[new ioredis.Command('exists', [key]).getSlot()]?.[0] ?? ONLY_NODE;
}

/** All nodes that have keys. */
export function nodesOf(client: Client): readonly string[] {
  if (!(client instanceof ioredis.Cluster)) return [ONLY_NODE];
  return [...new Set(client.slots.flatMap((nodes) => nodes.slice(0, 1)))];
}

/**
 * To be called before a command: those that are sent before this turn of the event loop ends leave in one
 * write. A write of its own took a third of what a command costs, here and again in Redis. The connections
 * of a cluster are its client's own.
 */
export function oneWriteATurn(client: Client): () => void {
  if (!(client instanceof ioredis.Redis)) return () => {};
  let held: IoRedis.Redis['stream'] | null = null;
  return () => {
    const { stream } = client;
    if (!stream || stream === held) return;
    held = stream;
    stream.cork();
    setImmediate(() => {
      if (held === stream) held = null;
      stream.uncork();
    });
  };
}

/** To one node, once: for messages, which every node of a cluster passes on. */
export function messageClient(target: RedisTarget, node: RedisNode): IoRedis.Redis {
  return new ioredis.Redis({
    ...options(target),
    ...node,
    lazyConnect: true,
    autoResubscribe: false,
    retryStrategy: () => null,
  });
}
