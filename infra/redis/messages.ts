/** Messages of Redis: one connection of its own, made anew on another node whenever it breaks. */
import type { Clock } from '../../commands/clock.ts';
import { within } from '../within.ts';
import { messageClient } from './ioredis.ts';
import type { RedisTarget } from './redis-url.ts';

/** How often the connection is asked whether it still is one. */
const PING_MS = 1_000;
const ANSWER_MS = 2_000;
const MAX_DELAY_MS = 1_000;

export type OnMessage = (message: string) => void;

export interface Messages {
  /** What is published from now on, while the connection stands; what is missed is not told. */
  subscribe(channel: string, listener: OnMessage): () => void;
  /** Whether messages come in now. */
  connected(): boolean;
  close(): Promise<void>;
}

/** Connects with the first subscription. */
export function openMessages(target: RedisTarget, clock: Clock): Messages {
  const listeners = new Map<string, Set<OnMessage>>();
  const closing = new AbortController();
  let connected = false;
  let changed = new AbortController();
  let running: Promise<void> | null = null;

  const session = async (attempt: number): Promise<void> => {
    const client = messageClient(target, target.nodes[attempt % target.nodes.length]!);
    const bounded = <T>(what: string, work: Promise<T>) => within(clock, ANSWER_MS, what, work);
    const subscribed = new Set<string>();
    client.on('error', () => {});
    client.on('message', (channel: string, message: string) => {
      for (const listener of listeners.get(channel) ?? []) listener(message);
    });
    try {
      await bounded('connect', client.connect());
      while (!closing.signal.aborted) {
        changed = new AbortController();
        const wanted = [...listeners.keys()].filter((channel) => !subscribed.has(channel));
        if (wanted.length > 0) await bounded('subscribe', client.subscribe(...wanted));
        for (const channel of wanted) subscribed.add(channel);
        const gone = [...subscribed].filter((channel) => !listeners.has(channel));
        if (gone.length > 0) await bounded('unsubscribe', client.unsubscribe(...gone));
        for (const channel of gone) subscribed.delete(channel);
        await bounded('ping', client.ping());
        connected = true;
        await clock.sleep(PING_MS, changed.signal);
      }
    } finally {
      connected = false;
      client.disconnect();
    }
  };
  const run = async () => {
    for (let attempt = 0, failures = 0; !closing.signal.aborted; attempt++) {
      const startedMs = clock.now();
      await session(attempt).catch(() => {});
      failures = clock.now() - startedMs > MAX_DELAY_MS ? 0 : failures + 1;
      await clock.sleep(Math.min(MAX_DELAY_MS, 50 * 2 ** Math.min(failures, 10)), closing.signal);
    }
  };
  return {
    subscribe(channel, listener) {
      const own = listeners.get(channel) ?? new Set();
      listeners.set(channel, own.add(listener));
      running ??= run();
      changed.abort();
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(channel) === own) listeners.delete(channel);
        changed.abort();
      };
    },
    connected: () => connected,
    async close() {
      closing.abort();
      changed.abort();
      await running;
    },
  };
}
