/** A log of key events such as a tenant's work leaves, appended as fast as the log takes it. */
import { keyIdOf, uuidv5 } from '../commands/ids.ts';
import { keyStream } from '../commands/streams.ts';
import type { Engines } from '../infra/platform/engines.ts';
import type { EventId, Metadata } from '../schemas/envelope.ts';
import type { KeyEvent, SecretDigest } from '../schemas/events/keys.ts';
import { type SeededRandom, seededRandom } from '../test/support/seeded-random.ts';
import { commandOf, ordinaryKey } from './scratch-house.ts';

interface BenchKey {
  readonly n: number;
  readonly keyId: string;
  version: number;
}

interface Wanted {
  readonly key: BenchKey;
  readonly version: number;
  readonly event: KeyEvent;
}

const CHUNK_EVENTS = 4_000;
/** Long enough ago that a projection takes them for the past, as in a rebuild. */
const AGE_MS = 3_600_000;

/**
 * Appends `events` key events, `updates` of which (0 to 1) change a key issued before; each through the
 * real codec, to the key's own stream, at the version that it has.
 */
export async function appendKeyLog(engines: Engines, events: number, updates: number): Promise<void> {
  const random = seededRandom(7);
  const keys: BenchKey[] = [];
  const startMs = engines.clock.now() - AGE_MS;
  let appending: Promise<unknown> = Promise.resolve();
  for (let made = 0; made < events; made += CHUNK_EVENTS) {
    const wanted = Array.from({ length: Math.min(CHUNK_EVENTS, events - made) }, (_, i) =>
      // Spread evenly, so that the part of updates is exact.
      keys.length < (made + i + 1) * (1 - updates) ? issue(keys) : change(random, keys),
    );
    const encoded = await engines.codec.encode(
      wanted.map(({ key, version, event }, i) => ({
        ...event,
        id: uuidv5('bench', key.keyId, String(version)) as EventId,
        timeMs: startMs + made + i,
        nonce: engines.random.bytes(16),
        metadata: metadataOf(key, version),
      })),
    );
    // The next are made while these are written.
    await appending;
    appending = Promise.all(
      encoded.map(async (event, i) => {
        const { key, version } = wanted[i]!;
        const answer = await engines.log.append(keyStream(key.keyId), version - 1, [event]);
        if (!answer.ok) throw new Error(`${key.keyId} is at ${answer.actual}, not ${version - 1}`);
      }),
    );
  }
  await appending;
}

function metadataOf(key: BenchKey, version: number): Metadata {
  const { tenant, actor, commandId, requestDigest, correlationId, causationId, traceparent } = commandOf(
    key.keyId,
    String(version),
  );
  return { tenant, actor, commandId, requestDigest, correlationId, causationId, traceparent };
}

function issue(keys: BenchKey[]): Wanted {
  const n = keys.length;
  const key = { n, keyId: keyIdOf(commandOf('key', String(n)).commandId), version: 1 };
  keys.push(key);
  return {
    key,
    version: 1,
    event: {
      type: 'key.issued',
      data: { ...ordinaryKey(n), keyId: key.keyId, format: 'plinth', ownerVersion: 0, secret: digest(n) },
    },
  };
}

function change(random: SeededRandom, keys: readonly BenchKey[]): Wanted {
  const key = random.pick(keys);
  key.version += 1;
  return { key, version: key.version, event: changeOf(random, key) };
}

/** As often as they are asked of keys, more or less: rotations first, then what people edit. */
function changeOf(random: SeededRandom, { n, version }: BenchKey): KeyEvent {
  const { ownerId, metadata, scopes, limits } = ordinaryKey(n);
  const reason = 'asked for by the owner, ticket 4711';
  const dice = random.below(100);
  if (dice < 25) {
    return {
      type: 'key.rotated',
      data: { secret: digest(n + version), overlapUntil: '2030-01-02T03:04:05.000Z' },
    };
  }
  if (dice < 37) return { type: 'key.renamed', data: { ownerId, name: `Export of customer ${n}, renamed` } };
  if (dice < 52) {
    return { type: 'key.metadata-changed', data: { ownerId, metadata: { ...metadata, plan: 'enterprise' } } };
  }
  if (dice < 64) return { type: 'key.scopes-changed', data: { scopes: [...scopes, 'payouts:read'] } };
  if (dice < 72)
    return { type: 'key.limits-changed', data: { limits: limits.map((l) => ({ ...l, limit: 500 })) } };
  if (dice < 80) return { type: 'key.expiry-changed', data: { expiresAt: '2031-01-02T03:04:05.000Z' } };
  if (dice < 84) return { type: 'key.allowed-ips-changed', data: { allowedIps: ['203.0.113.0/24'] } };
  if (dice < 88) return { type: 'key.disabled', data: { ownerId, reason } };
  if (dice < 92) return { type: 'key.enabled', data: { ownerId, reason } };
  return { type: 'key.revoked', data: { ownerId, reason, cause: 'request' } };
}

function digest(n: number): SecretDigest {
  return {
    digest: Buffer.from(`digest of secret ${n}`.padEnd(32)).toString('base64url'),
    pepperVersions: [1],
    hint: 'aZ19',
  };
}
