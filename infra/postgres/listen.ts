/** LISTEN on a connection of its own. A notification is a hint: it may be lost, so a poll stands behind it. */
import pg from 'pg';
import type { Clock } from '../../commands/clock.ts';

const BACKOFF_FROM_MS = 50;
const BACKOFF_TO_MS = 1_000;
/** The connection is tried this often: a peer that vanished says nothing. */
const PROBE_EVERY_MS = 10_000;

export interface ListenOptions {
  readonly connectionString: string;
  readonly applicationName: string;
  /** A plain name of the house. */
  readonly channel: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Also called each time the connection is there (again): something may have been missed. */
  hint(payload: string): void;
  readonly onLostConnection?: (error: Error) => void;
}

/** Resolves when the signal aborts; never rejects. */
export async function listen(options: ListenOptions): Promise<void> {
  const { clock, signal } = options;
  let backoffMs = BACKOFF_FROM_MS;
  while (!signal.aborted) {
    const lost = await listenOnce(options, () => {
      backoffMs = BACKOFF_FROM_MS;
    });
    if (signal.aborted) return;
    options.onLostConnection?.(lost);
    await clock.sleep(backoffMs, signal);
    backoffMs = Math.min(backoffMs * 2, BACKOFF_TO_MS);
  }
}

/** Answers why the connection ended. */
async function listenOnce(options: ListenOptions, connected: () => void): Promise<Error> {
  const { channel, clock, signal } = options;
  if (!/^[a-z][a-z0-9_]*$/.test(channel)) throw new Error(`${channel} is no name for a channel`);
  const client = new pg.Client({
    connectionString: options.connectionString,
    application_name: `${options.applicationName} listen`,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    keepAlive: true,
  });
  const ended = new AbortController();
  let lost = new Error('the connection ended');
  client.on('error', (error) => {
    lost = error;
    ended.abort();
  });
  client.on('end', () => ended.abort());
  client.on('notification', (message) => options.hint(message.payload ?? ''));
  try {
    await client.connect();
    await client.query(`LISTEN ${channel}`);
    connected();
    options.hint('');
    const either = AbortSignal.any([signal, ended.signal]);
    while (!either.aborted) {
      await clock.sleep(PROBE_EVERY_MS, either);
      if (!either.aborted) await client.query('SELECT 1');
    }
  } catch (error) {
    lost = error as Error;
  } finally {
    await client.end().catch(() => undefined);
  }
  return lost;
}
