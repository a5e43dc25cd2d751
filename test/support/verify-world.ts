/**
 * A verifier over a log in memory, with a read model that a test holds back, cuts off or parks, and a
 * clock that it moves.
 */
import type { LoadRows } from '../../api/verify/key-cache.ts';
import { createVerifier, type VerifierDeps } from '../../api/verify/verifier.ts';
import { importedDigestOf, pepperedDigest } from '../../commands/keys/digest.ts';
import { mintKey } from '../../commands/keys/key-format.ts';
import { evolveKey, type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { evolveOwner, noOwner } from '../../commands/keys/owner-state.ts';
import type { Peppers } from '../../commands/peppers.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import { evolveTenant, noTenant } from '../../commands/tenants/tenant-state.ts';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import type { Stamp } from '../../projections/projection.ts';
import { type EventId, type Position, START, type StreamId, type TenantId } from '../../schemas/envelope.ts';
import { PlinthError } from '../../schemas/errors.ts';
import { Secret } from '../../schemas/secret.ts';
import type { VerifyCode } from '../../schemas/verify-codes.ts';
import { memoryEventLog } from '../engines/memory-event-log.ts';
import { decodePlain, plainCodec } from '../simulation/plain-codec.ts';
import { fakeClock } from './fake-clock.ts';
import { type Issued, issuedData } from './issued-data.ts';

export const TENANT = `tnt_${'a'.repeat(32)}` as TenantId;
export const OTHER_TENANT = `tnt_${'b'.repeat(32)}` as TenantId;

const pepper = new Secret(new Uint8Array(32).fill(7));
export const testPeppers: Peppers = {
  current: 1,
  versions: [1],
  pepper: (version) => (version === 1 ? pepper : undefined),
};

export function verifyWorld(options: { readonly maxEntries?: number } = {}) {
  const clock = fakeClock();
  const log = memoryEventLog({ clock });
  const state = {
    /** How many events the read model has taken; null: all, at once. */
    projected: null as number | null,
    rowsAway: false,
    pollsAway: false,
    logAway: false,
    parked: new Set<StreamId>(),
    loads: 0,
    reads: 0,
    leases: 0,
  };
  const decisions: { keyId: string; code: VerifyCode }[] = [];
  let serial = 0;

  const taken = () => log.events.slice(0, state.projected ?? log.events.length);
  const stamp = async (): Promise<Stamp> => {
    const last = taken().at(-1);
    const { epoch } = await log.head();
    return { epoch, revision: 1, position: last?.position ?? START, eventId: last?.id ?? null };
  };
  function foldOf<S>(evolve: (s: S, e: never) => S, initial: S, stream: StreamId): S {
    return taken()
      .filter((event) => event.stream === stream)
      .reduce((s, event) => evolve(s, decodePlain(event) as never), initial);
  }
  const away = () => {
    if (state.logAway) throw new Error('no route to the log');
  };

  const loadRows: LoadRows = async (lookups) => {
    state.loads++;
    if (state.rowsAway) throw new Error('no route to the read model');
    const all = [...new Set(taken().map((e) => e.stream))].filter((s) => s.startsWith('key-'));
    const rows = lookups.map((lookup) => {
      const stream =
        'keyId' in lookup
          ? keyStream(lookup.keyId)
          : all.find((s) => {
              const key = foldOf<KeyState>(evolveKey, noKey, s);
              return key.tenant === lookup.tenant && lookup.digests.includes(key.secrets.at(-1)!.digest);
            });
      const key = stream ? foldOf<KeyState>(evolveKey, noKey, stream) : noKey;
      const house = foldOf(evolveTenant, noTenant, tenantStream(key.tenant));
      const owner = key.ownerId === null ? null : ownerStream(key.tenant, key.ownerId);
      return {
        key: key.version === 0 ? null : key,
        owner: owner ? foldOf(evolveOwner, noOwner, owner) : noOwner,
        tenant:
          house.version === 0
            ? null
            : { tenantId: key.tenant as TenantId, slug: 's', suspended: house.suspended },
        parked: {
          key: stream !== undefined && state.parked.has(stream),
          owner: owner !== null && state.parked.has(owner),
          tenant: state.parked.has(tenantStream(key.tenant)),
        },
      };
    });
    return { stamp: await stamp(), halted: null, rows };
  };

  async function append(stream: StreamId, type: string, data: unknown, tenant: string): Promise<Position> {
    serial++;
    const events = await plainCodec.encode([
      {
        id: `00000000-0000-4000-8000-${String(serial).padStart(12, '0')}` as EventId,
        type,
        data,
        timeMs: clock.now(),
        nonce: new Uint8Array(16),
        metadata: {
          tenant,
          actor: 'system:test',
          commandId: '00000000-0000-4000-8000-000000000000',
          requestDigest: null,
          correlationId: 'c',
          causationId: null,
          traceparent: null,
        },
      },
    ]);
    const answer = await log.append(stream, 'any', events);
    if (!answer.ok) throw new Error('conflict');
    return answer.position;
  }

  const makeVerifier = (more: Partial<VerifierDeps> = {}) =>
    createVerifier({
      log: {
        async head() {
          away();
          return log.head();
        },
        async eventIdAt(position) {
          away();
          return log.eventIdAt(position);
        },
        async readStream(stream) {
          away();
          state.reads++;
          return log.readStream(stream);
        },
      },
      codec: plainCodec,
      changes: {
        async poll(after) {
          if (state.pollsAway) throw new Error('no route to the read model');
          return {
            stamp: await stamp(),
            changes: taken()
              .filter((e) => e.position > after)
              .map(({ position, stream }) => ({ position, stream })),
            complete: true,
            prunedThrough: START,
            halted: null,
          };
        },
        listen: async () => {},
      },
      loadRows,
      peppers: testPeppers,
      limiter: new InProcessLimiter(clock),
      leases: {
        async lease(tenant, keyId, units) {
          away();
          state.leases++;
          const key = (await log.readStream(keyStream(keyId)))
            .map((e) => decodePlain(e) as never)
            .reduce<KeyState>(evolveKey, noKey);
          if (key.revokedAtMs !== null) throw new PlinthError('conflict', 'The key is revoked.');
          const remaining = key.credits?.remaining ?? 0;
          if (remaining === 0) return { kind: 'exhausted', key, refillAtMs: null };
          const amount = Math.min(units, Math.max(1, Math.floor(remaining / 100)));
          const leaseId = `lease-${state.leases}`;
          const data = { leaseId, writer: 'w', amount };
          await append(keyStream(keyId), 'key.credits-leased', data, tenant);
          const after = { ...key.credits!, remaining: remaining - amount };
          return {
            kind: 'leased',
            leaseId,
            amount,
            key: { ...key, version: key.version + 1, credits: after },
          };
        },
        async giveBack(tenant, keyId, leaseId, amount) {
          await append(keyStream(keyId), 'key.credits-returned', { leaseId, amount }, tenant);
        },
      },
      clock,
      record: (_tenant, keyId, code) => decisions.push({ keyId, code }),
      ...options,
      ...more,
    });
  const verifier = makeVerifier();
  let keys = 0;

  return {
    clock,
    log,
    state,
    decisions,
    verifier,
    makeVerifier,
    loadRows,
    append,
    count: () => log.events.length,
    /** Issues a key; answers its text and id. */
    async issue(more: Partial<Issued> = {}, tenant: TenantId = TENANT, foreignText?: string) {
      const keyId = `key_${String(++keys).padStart(12, '0')}`;
      const text = foreignText ?? mintKey('live', keyId, new Uint8Array(32).fill(keys));
      const input = foreignText ? importedDigestOf(text) : text;
      const digest = Buffer.from(pepperedDigest(testPeppers, [1], input)!).toString('base64url');
      const format = foreignText ? 'foreign' : 'plinth';
      const secret = { digest, pepperVersions: [1], hint: null };
      const data = issuedData(keyId, { format, secret, ...more });
      const position = await append(keyStream(keyId), 'key.issued', data, tenant);
      return { keyId, text, position };
    },
    async verify(text: string, more: Record<string, unknown> = {}, tenant: TenantId = TENANT) {
      const { atLeast, ...request } = more;
      return verifier.verify(
        { tenant, route: 'verify', traceId: null, atLeast: atLeast as Position | undefined },
        { key: text, ...request },
      );
    },
    revoke: (keyId: string) =>
      append(keyStream(keyId), 'key.revoked', { ownerId: null, reason: null, cause: 'request' }, TENANT),
    async close() {
      const closed = verifier.close();
      await clock.advance(2_000);
      await closed;
    },
  };
}
