/**
 * The connection to Redis that a process shares: one server, or a cluster. Redis is a helper that may go
 * at any time, so a command never waits for it: it is answered within the deadline, or fails.
 *
 * Keys are named `{<hash tag>}…`; what one call touches has one hash tag, for in a cluster it must lie on one
 * node. In Redis the names of keys and channels begin with the prefix: others may have the same Redis.
 */
import type { Clock } from '../../commands/clock.ts';
import type { Secret } from '../../schemas/secret.ts';
import { systemClock } from '../system-clock.ts';
import { type Client, commandClient, nodeOf, nodesOf, oneWriteATurn } from './ioredis.ts';
import { type OnMessage, openMessages } from './messages.ts';
import { nodeCircuits } from './node-circuits.ts';
import { failureOf, isServerTrouble, RedisFailure, redisProblem, replyCode } from './redis-failure.ts';
import { parseRedisUrl } from './redis-url.ts';
import { type RedisScript, redisScript } from './script.ts';

/** From the call to the answer of a command. */
export const COMMAND_DEADLINE_MS = 200;
const PROBE_READY_MS = 1_000;
const PROBE_AWAY_MS = 250;
/** In a cluster they lie on different nodes: each is asked in its turn. */
const PROBE_KEYS = 64;
/**
 * Asks for what limits need: a server that is full, is a replica now or may not write answers every read,
 * and would be taken for whole.
 */
const PROBE = redisScript('probe', "redis.call('SET', KEYS[1], '1', 'PX', 10000) redis.call('DEL', KEYS[1])");
const MAX_IN_FLIGHT_COMMANDS = 10_000;

/** `partial`: some nodes of a cluster do not answer, and others do. */
export type RedisState = 'connecting' | 'ready' | 'partial' | 'away';

/** Whether commands are sent at all. */
export function answers(state: RedisState): boolean {
  return state === 'ready' || state === 'partial';
}

/** All reject with `RedisFailure` alone, within the deadline. */
export interface RedisConnection {
  /**
   * `away` after three commands in a row that were late, lost, or refused for the server's sake: commands
   * then fail at once, and a probe every 250 ms finds out when it is back. Nothing has to be restarted. In a
   * cluster this holds of each node and the commands for its keys; it is `away` when all its nodes are.
   */
  state(): RedisState;
  /** Why it is not ready, in a sentence that holds no secret; null: it is. */
  problem(): string | null;
  /** True as soon as it is ready, or partial; false when it is neither within the time. */
  whenReady(timeoutMs: number): Promise<boolean>;
  get(key: string): Promise<string | null>;
  /** In the order asked. One hash tag. */
  mget(keys: readonly string[]): Promise<readonly (string | null)[]>;
  /** Nothing is kept for ever. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** One hash tag. */
  del(keys: readonly string[]): Promise<void>;
  /** Runs a script at once, all or nothing, on the keys of one hash tag. What it answers is not checked. */
  run(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<void>;
  /** What is published while this process is connected; a hint, never the truth. Answers how to stop. */
  subscribe(channel: string, listener: OnMessage): () => void;
  close(): Promise<void>;
}

export interface RedisOptions {
  readonly url: Secret<string>;
  /** Without braces: it must not be a hash tag. */
  readonly prefix: string;
  readonly clock?: Clock;
  readonly deadlineMs?: number;
  /** Told at every change, of what is the matter too, with why in words that hold no secret. */
  readonly onState?: (state: RedisState, why: string, problem: string | null) => void;
  /** Every command, with how long it took. */
  readonly onCommand?: (name: string, seconds: number, outcome: 'ok' | RedisFailure['kind']) => void;
}

/** Returns at once; throws only when the connection string cannot be read. */
export function openRedis(options: RedisOptions): RedisConnection {
  const { prefix, clock = systemClock, deadlineMs = COMMAND_DEADLINE_MS, onState, onCommand } = options;
  const target = parseRedisUrl(options.url);
  const named = (name: string) => `${prefix}:${name}`;
  const client: Client = commandClient(target);
  const messages = openMessages(target, clock);
  const closing = new AbortController();
  let state = 'connecting' as RedisState;
  let inFlight = 0;
  const waiters = new Set<() => void>();
  let probeNow = new AbortController();
  let lastError = 'not connected';
  let problem: string | null = redisProblem(false, lastError);
  /** REDIS_URL names one node of a cluster: of most keys it says that they lie elsewhere. */
  let misnamed = false;

  const turn = (next: RedisState, why: string) => {
    const nowProblem = next === 'ready' ? null : redisProblem(next === 'partial', why);
    // Whoever closes it knows.
    if ((state === next && problem === nowProblem) || closing.signal.aborted) return;
    state = next;
    problem = nowProblem;
    onState?.(next, why, problem);
    if (!answers(state)) return;
    for (const wake of waiters) wake();
  };
  const circuits = nodeCircuits(
    (key) => nodeOf(client, named(key)),
    () => nodesOf(client),
  );
  const judge = (why: string) => {
    const open = circuits.openNodes();
    const all = open.length > 0 && nodesOf(client).every((node) => open.includes(node));
    turn(open.length === 0 ? 'ready' : all ? 'away' : 'partial', why);
  };
  client.on('error', (error: Error & { code?: string }) => {
    lastError =
      error.code ?? (error.name === 'ReplyError' ? replyCode(error.message) : 'the connection failed');
  });

  client.on('close', () => turn('away', lastError));
  client.on('ready', () => {
    misnamed = false;
    lastError = 'not connected';
    probeNow.abort();
  });

  const together = oneWriteATurn(client);
  /**
   * Answers, or rejects with `RedisFailure`, in time. What is late stays in flight until it is settled.
   * `key`: one of those that it is for.
   */
  const send = <T>(name: string, key: string | null, call: () => Promise<T>): Promise<T> => {
    if (inFlight >= MAX_IN_FLIGHT_COMMANDS) {
      return Promise.reject(new RedisFailure('busy', name, `${MAX_IN_FLIGHT_COMMANDS} commands in flight`));
    }
    inFlight += 1;
    const startedMs = performance.now();
    return new Promise<T>((resolve, reject) => {
      let open = true;
      const end = (failure: RedisFailure | null) => {
        if (!open) return false;
        open = false;
        clearTimeout(timer);
        if (!failure) circuits.answered(key);
        // What is away altogether is only found back by a probe.
        else if (isServerTrouble(failure) && circuits.failed(key) && state !== 'away') judge(failure.message);
        onCommand?.(name, (performance.now() - startedMs) / 1000, failure?.kind ?? 'ok');
        return true;
      };
      const late = () => {
        const failure = new RedisFailure('late', name, `no answer within ${deadlineMs} ms`);
        if (end(failure)) reject(failure);
      };
      // An answer that came while this process was busy is read before the deadline is judged.
      const timer = setTimeout(() => setImmediate(late), deadlineMs);
      together();
      call().then(
        (answer) => {
          inFlight -= 1;
          if (end(null)) resolve(answer);
        },
        (error: unknown) => {
          inFlight -= 1;
          const failure = failureOf(name, error);
          if (target.nodes.length === 1 && /^(MOVED|ASK) /.test((error as Error).message)) {
            misnamed = true;
            turn('away', 'it is a node of a Redis Cluster: REDIS_URL must name several of its nodes');
          }
          if (end(failure)) reject(failure);
        },
      );
    });
  };
  const command = <T>(name: string, key: string | null, call: () => Promise<T>): Promise<T> => {
    const open = answers(state) && !closing.signal.aborted;
    if (open && !circuits.isOpen(key)) return send(name, key, call);
    onCommand?.(name, 0, 'away');
    return Promise.reject(new RedisFailure('away', name, open ? 'its node does not answer' : lastError));
  };

  const evaluate = (script: RedisScript, keys: readonly string[], args: readonly (string | number)[]) => {
    const full = keys.map(named);
    return client.evalsha(script.sha1, keys.length, ...full, ...args).catch((error: Error) => {
      if (!error.message.startsWith('NOSCRIPT')) throw error;
      return client.eval(script.text, keys.length, ...full, ...args);
    });
  };

  const probe = async (key: string) => {
    try {
      await send(PROBE.name, key, () => evaluate(PROBE, [key], []));
      circuits.probed(key);
      if (!misnamed) judge('it answers');
    } catch {
      // It counts as every command that failed.
    }
  };
  const probing = (async () => {
    for (let round = 0; !closing.signal.aborted; round++) {
      probeNow = new AbortController();
      const next = `{probe-${round % PROBE_KEYS}}`;
      await Promise.all([...circuits.probes(), ...(circuits.isOpen(next) ? [] : [next])].map(probe));
      const pauseMs = state === 'ready' ? PROBE_READY_MS : PROBE_AWAY_MS;
      await clock.sleep(pauseMs, AbortSignal.any([probeNow.signal, closing.signal]));
    }
  })();

  return {
    state: () => (closing.signal.aborted ? 'away' : state),
    problem: () => problem,
    async whenReady(timeoutMs) {
      if (answers(state)) return true;
      const given = new AbortController();
      const wake = () => given.abort();
      waiters.add(wake);
      await clock.sleep(timeoutMs, given.signal);
      waiters.delete(wake);
      return given.signal.aborted;
    },
    get: (key) => command('get', key, () => client.get(named(key))),
    mget: (keys) =>
      keys.length === 0
        ? Promise.resolve([])
        : command('mget', keys[0]!, () => client.mget(...keys.map(named))),
    async set(key, value, ttlMs) {
      await command('set', key, () => client.set(named(key), value, 'PX', Math.max(1, Math.ceil(ttlMs))));
    },
    async del(keys) {
      if (keys.length > 0) await command('del', keys[0]!, () => client.del(...keys.map(named)));
    },
    run: (script, keys, args) => command(script.name, keys[0]!, () => evaluate(script, keys, args)),
    async publish(channel, message) {
      await command('publish', null, () => client.publish(named(channel), message));
    },
    subscribe: (channel, listener) => messages.subscribe(named(channel), listener),
    async close() {
      closing.abort();
      client.disconnect();
      await Promise.all([probing, messages.close()]);
    },
  };
}
