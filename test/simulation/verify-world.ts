/** Keys over a log and a read model in memory, and the product's verifier in as many processes as wanted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { CreditLeases } from '../../api/verify/credit-blocks.ts';
import type { LoadRows } from '../../api/verify/key-cache.ts';
import type { SharedCache } from '../../api/verify/shared-cache.ts';
import { createVerifier, type Verifier } from '../../api/verify/verifier.ts';
import type { EventLog } from '../../commands/event-log.ts';
import { pepperedDigest } from '../../commands/keys/digest.ts';
import { mintKey } from '../../commands/keys/key-format.ts';
import { evolveKey, type KeyState, noKey } from '../../commands/keys/key-state.ts';
import { evolveOwner, noOwner, type OwnerState } from '../../commands/keys/owner-state.ts';
import type { Peppers } from '../../commands/peppers.ts';
import { keyStream, ownerStream, tenantStream } from '../../commands/streams.ts';
import { evolveTenant, noTenant, type TenantState } from '../../commands/tenants/tenant-state.ts';
import { InProcessLimiter } from '../../infra/limiter/in-process-limiter.ts';
import type { ChangesSource } from '../../projections/changes.ts';
import type { Projection } from '../../projections/projection.ts';
import { categoryOf, type Position, START, type StreamId, type TenantId } from '../../schemas/envelope.ts';
import { keyEvents, ownerEvents } from '../../schemas/events/keys.ts';
import { tenantEvents } from '../../schemas/events/tenants.ts';
import { Secret } from '../../schemas/secret.ts';
import type { MemoryProjectionDatabase } from '../engines/memory-projection-store.ts';
import type { Seen } from '../engines/memory-revisions.ts';
import type { MemoryTx } from '../engines/memory-transaction.ts';
import { type Issued, issuedData } from '../support/issued-data.ts';
import { enter } from './entering.ts';
import { plainCodec } from './plain-codec.ts';
import type { Process, Scheduler } from './scheduler.ts';
import { SHARED_SECRET } from './shared-world.ts';

export const KEYS = 'keys';
export const TENANT = `tnt_${'a'.repeat(32)}` as TenantId;
export const OWNER = 'owner-1';

export const peppers: Peppers = {
  current: 1,
  versions: [1],
  pepper: (version) => (version === 1 ? new Secret(new Uint8Array(32).fill(7)) : undefined),
};

const evolvers: Readonly<
  Record<string, { readonly initial: object; evolve(state: never, event: never): object }>
> = {
  key: { initial: noKey, evolve: evolveKey },
  owner: { initial: noOwner, evolve: evolveOwner },
  tenant: { initial: noTenant, evolve: evolveTenant },
};

/** One row a stream: its state, folded by the product's own evolve functions. */
export const keysProjection: Projection<MemoryTx> = {
  name: KEYS,
  revision: 1,
  order: 'log',
  types: new Set([...Object.keys(keyEvents), ...Object.keys(ownerEvents), ...Object.keys(tenantEvents)]),
  tables: [{ name: 'states', key: ['stream'] }],
  reads: 'public',
  publishesChanges: true,
  create: async () => {},
  async apply(tx, tables, events) {
    for (const event of events) {
      const { initial, evolve } = evolvers[categoryOf(event.stream)]!;
      const before = (await tx.get(tables('states'), event.stream)) ?? initial;
      await tx.put(tables('states'), event.stream, evolve(before as never, event as never) as never);
    }
  },
};

/** Rows as they are in one snapshot of the database. */
export function rowsIn(seen: Seen | null, lookups: Parameters<LoadRows>[0]) {
  const state = <S>(stream: StreamId, initial: S): S =>
    (seen?.data.tables.get('states')?.get(stream) as S | undefined) ?? initial;
  return lookups.map((lookup) => {
    const key = state<KeyState>('keyId' in lookup ? keyStream(lookup.keyId) : ('' as StreamId), noKey);
    const owner = key.ownerId === null ? null : ownerStream(key.tenant, key.ownerId);
    const tenant = tenantStream(key.tenant);
    const house = state<TenantState>(tenant, noTenant);
    const parked = (stream: StreamId | null) => stream !== null && seen?.data.parked.has(stream) === true;
    return {
      key: key.version === 0 ? null : key,
      owner: owner ? state<OwnerState>(owner, noOwner) : noOwner,
      tenant: house.version === 0 ? null : { tenantId: TENANT, slug: 'default', suspended: house.suspended },
      parked: { key: parked(keyStream(key.keyId)), owner: parked(owner), tenant: parked(tenant) },
    };
  });
}

export function loadRowsOf(database: MemoryProjectionDatabase): LoadRows {
  return async (lookups) => {
    const seen = database.current(KEYS);
    if (!seen) throw new Error('there is no read model yet');
    return { stamp: seen.stamp, halted: seen.halted, rows: rowsIn(seen, lookups) };
  };
}

export function changesOf(
  database: MemoryProjectionDatabase,
  options: { readonly pageRows: number; readonly hints: boolean },
): ChangesSource {
  return {
    async poll(after) {
      const seen = database.current(KEYS);
      if (!seen) throw new Error('there is no read model yet');
      const changes = seen.data.changes.filter((change) => change.position > after);
      return {
        stamp: seen.stamp,
        changes: changes.slice(0, options.pageRows),
        complete: changes.length <= options.pageRows,
        prunedThrough: seen.data.prunedThrough,
        halted: seen.halted,
      };
    },
    async listen(hint, signal) {
      if (!options.hints) return;
      const stop = database.onCommit(hint);
      signal.addEventListener('abort', stop, { once: true });
    },
  };
}

export interface Ports {
  readonly log: EventLog;
  readonly changes: ChangesSource;
  readonly loadRows: LoadRows;
  readonly shared?: SharedCache;
}

/** A verifier as one process has it: every call out of it takes turns. */
export function verifierOf(process: Process, ports: Ports, leases?: CreditLeases): Verifier {
  const away: CreditLeases = {
    lease: () => Promise.reject(new Error('no credits in this rule')),
    giveBack: () => Promise.resolve(),
  };
  const loader = process.wrap({ load: ports.loadRows }, 'rows');
  return createVerifier({
    log: process.wrap(ports.log, 'log'),
    codec: plainCodec,
    changes: process.wrap(ports.changes, 'changes'),
    loadRows: (lookups) => loader.load(lookups),
    shared: ports.shared && { cache: process.wrap(ports.shared, 'shared'), secret: SHARED_SECRET },
    peppers,
    limiter: new InProcessLimiter(process.clock),
    leases: leases ?? away,
    clock: process.clock,
    record: () => {},
    maxEntries: 100,
  });
}

export function append(
  log: EventLog,
  scheduler: Scheduler,
  stream: StreamId,
  type: string,
  data: object,
): Promise<Position> {
  return enter(log, scheduler, stream, type, data, TENANT);
}

export interface SimKey {
  readonly keyId: string;
  readonly text: string;
}

export async function issue(
  log: EventLog,
  scheduler: Scheduler,
  serial: number,
  more: Partial<Issued> = {},
): Promise<SimKey> {
  const keyId = `key_${String(serial).padStart(12, '0')}`;
  const text = mintKey('live', keyId, createHash('sha256').update(`${serial}`).digest());
  const digest = Buffer.from(pepperedDigest(peppers, [1], text)!).toString('base64url');
  const secret = { digest, pepperVersions: [1], hint: null };
  const data = issuedData(keyId, { ownerId: OWNER, secret, ...more });
  await append(log, scheduler, keyStream(keyId), 'key.issued', data);
  return { keyId, text };
}

/** The code, or that it cannot be judged. */
export async function codeOf(verifier: Verifier, key: SimKey): Promise<string> {
  try {
    const view = await verifier.verify({ tenant: TENANT, route: 'verify', traceId: null }, { key: key.text });
    return view.code;
  } catch (error) {
    const code = (error as { rejection?: { code: string } }).rejection?.code;
    assert.ok(
      code === 'verify_stale' || code === 'log_epoch_changed',
      `a verify that cannot judge says so, not ${error}`,
    );
    return code;
  }
}

export const NO_POSITION = START;
