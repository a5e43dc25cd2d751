/** One reader's stream of changes, from the first byte to the last. */
import type { Clock, Random } from '../../commands/clock.ts';
import { PlinthError } from '../../schemas/errors.ts';
import type { EventConnection } from '../event-connection.ts';
import type { ChangeHub } from './change-hub.ts';
import { HEARTBEAT, openingText } from './change-messages.ts';
import type { StreamGrant } from './stream-token.ts';

/** Proxies close what is silent for 30 s and more. Each stream has a beat of its own, so that not all beat at once. */
const MIN_BEAT_MS = 15_000;
/** A revoked key's stream is open for one beat at most, and the time that `stillGood` takes. */
export const MAX_BEAT_MS = 20_000;
/** Readers that were cut off together do not come again together. */
const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 4_000;

export interface ChangeStreamDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly hub: Pick<ChangeHub, 'watch'>;
  /**
   * Whether the key may still read flags; answers in bounded time. Throws where that cannot be known: the
   * stream goes on until its token expires, as evaluation does.
   */
  stillGood(keyId: string): boolean | Promise<boolean>;
}

/**
 * Ends with its token, and soon after its key is no longer good.
 *
 * Throws `PlinthError` before anything was sent: `credential_invalid`, and what `ChangeHub.watch` throws.
 */
export async function streamChanges(
  deps: ChangeStreamDeps,
  grant: StreamGrant,
  lastEventId: string | undefined,
  connection: EventConnection,
): Promise<void> {
  const { random, hub } = deps;
  if (!(await isGood(deps, grant.keyId))) throw refused();
  const { signal } = connection;
  let opening: string | null = openingText(between(random, MIN_RETRY_MS, MAX_RETRY_MS));
  const send = (text: string) => {
    connection.send(opening === null ? text : opening + text);
    opening = null;
  };
  await hub.watch(grant.stream, { use: grant.use, signal, send }, lastEventId);
  if (opening !== null) send('');
  void beat(deps, grant, connection);
}

/** For whoever sends no token, or not a good one. */
export function refused(): PlinthError {
  return new PlinthError('credential_invalid', 'The stream needs an address as evaluation hands it out.');
}

async function beat(deps: ChangeStreamDeps, grant: StreamGrant, connection: EventConnection): Promise<void> {
  const { clock, random } = deps;
  const beatMs = between(random, MIN_BEAT_MS, MAX_BEAT_MS);
  for (;;) {
    await clock.sleep(Math.min(beatMs, grant.expiresMs - clock.now()), connection.signal);
    if (connection.signal.aborted) return;
    if (clock.now() >= grant.expiresMs) return connection.end();
    if (!connection.send(HEARTBEAT)) return;
    if (!(await isGood(deps, grant.keyId))) return connection.end();
  }
}

async function isGood({ stillGood }: ChangeStreamDeps, keyId: string): Promise<boolean> {
  try {
    return await stillGood(keyId);
  } catch {
    return true;
  }
}

function between(random: Random, low: number, high: number): number {
  const [a, b] = random.bytes(2) as unknown as [number, number];
  return low + Math.floor((high - low) * ((a * 256 + b) / 65_536));
}
