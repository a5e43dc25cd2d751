/** What a revocation must reach: caches in several processes, while projector, polls and hints fail. */
import assert from 'node:assert/strict';
import type { EventLog } from '../../../commands/event-log.ts';
import { keyStream, ownerStream, tenantStream } from '../../../commands/streams.ts';
import { FRESH_MS } from '../../../projections/fresh.ts';
import { memoryEventLog } from '../../engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../../engines/memory-projection-store.ts';
import { type FreshnessGuards, twins } from '../freshness-twins.ts';
import { rebuildBy } from '../operator.ts';
import { freeze, pollsFail, stalling } from '../outages.ts';
import { keepRunning } from '../projection-world.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';
import { sharedWorld } from '../shared-world.ts';
import {
  append,
  changesOf,
  codeOf,
  issue,
  keysProjection,
  loadRowsOf,
  OWNER,
  type SimKey,
  TENANT,
  verifierOf,
} from '../verify-world.ts';

/** When each process verifies, in milliseconds: caches fill, the denial comes, and 5 s after it the answer counts. */
const VERIFY_AT_MS = [300, 1200, 3000, 6500, 7600, 9000];
const LATEST_DENIAL_MS = 1500;
/** The database is away from the projector: so far behind then, it prunes instead of telling each change. */
const STALLED_MS = { from: 300, to: 6300 };
const AFTER_A_STALL_MS = [12_500, 14_000];

async function play(scheduler: Scheduler, guards: FreshnessGuards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const database = memoryProjectionDatabase({
    clock: scheduler.clock,
    keptChangesRows: scheduler.pick([2, 5, 1000]),
  });
  const stalls = scheduler.chance(0.2);
  const startedMs = scheduler.now();
  const away = () => {
    const passedMs = scheduler.now() - startedMs;
    return stalls && passedMs > STALLED_MS.from && passedMs < STALLED_MS.to;
  };
  const shared = sharedWorld(scheduler, scheduler.pick(['no', 'no', 'tail', 'epoch'] as const));
  const runners = keepRunning(scheduler, 1 + scheduler.below(2), {
    database,
    log,
    projection: keysProjection,
    guard: (store) => guards.store(stalling(store, away)),
    mishaps: stalls ? 0 : scheduler.below(4),
  });
  await append(log, scheduler, tenantStream(TENANT), 'tenant.created', {
    tenantId: TENANT,
    slug: 'default',
    name: null,
  });
  const keys: SimKey[] = [];
  for (let i = 0; i < 2; i++) keys.push(await issue(log, scheduler, i));

  /** From when on, by the scheduler's clock, a key must not be VALID: a denial was acknowledged then. */
  const deniedAtMs = new Map<string, number>();
  const deny = (keyIds: readonly string[]) => {
    for (const id of keyIds)
      deniedAtMs.set(id, Math.min(deniedAtMs.get(id) ?? Number.POSITIVE_INFINITY, scheduler.now()));
  };
  const noise = async () => {
    for (let i = stalls ? 5 : scheduler.below(5); i >= 0; i--) {
      await scheduler.clock.sleep(scheduler.below(stalls ? 1000 : 2500));
      await append(log, scheduler, keyStream('key_000000000009'), 'key.scopes-changed', { scopes: [] });
    }
  };
  const denials = async () => {
    await scheduler.clock.sleep(scheduler.below(LATEST_DENIAL_MS));
    const kind = scheduler.below(4);
    if (kind === 0) {
      await append(log, scheduler, tenantStream(TENANT), 'tenant.suspended', { reason: null });
      deny(keys.map((key) => key.keyId));
    } else if (kind === 1) {
      await append(log, scheduler, ownerStream(TENANT, OWNER), 'owner.keys-revoked', {
        ownerId: OWNER,
        reason: null,
      });
      deny(keys.map((key) => key.keyId));
    } else {
      const { keyId } = keys[0]!;
      await append(log, scheduler, keyStream(keyId), 'key.revoked', {
        ownerId: OWNER,
        reason: null,
        cause: 'request',
      });
      deny([keyId]);
    }
  };
  const rebuilds = async () => {
    if (!scheduler.chance(0.3)) return;
    await scheduler.clock.sleep(scheduler.below(4000));
    const process = scheduler.process('rebuild');
    const store = database.connect((label) => process.turn(label));
    // Another one may be under way, or the runner may have been superseded: not this rule's matter.
    await rebuildBy(process, { projection: keysProjection, store, log }).catch(() => undefined);
  };
  const verifications = async (name: string) => {
    const process = scheduler.process(name);
    const outage = { polls: false, rows: false, head: false };
    const verifier = verifierOf(process, {
      log: guards.log(
        replacing(log as EventLog, {
          head: () => (outage.head ? Promise.reject(new Error('no route')) : log.head()),
        }),
      ),
      changes: guards.changes(
        pollsFail(
          changesOf(database, { pageRows: scheduler.pick([1, 3, 100]), hints: scheduler.chance(0.5) }),
          () => outage.polls,
        ),
        database,
        scheduler,
      ),
      loadRows: guards.loadRows(
        (lookups) => (outage.rows ? Promise.reject(new Error('no route')) : loadRowsOf(database)(lookups)),
        database,
        scheduler,
      ),
      shared: guards.shared(shared, database, scheduler),
    });
    verifier.start();
    const startedMs = scheduler.now();
    for (const atMs of stalls ? [...VERIFY_AT_MS, ...AFTER_A_STALL_MS] : VERIFY_AT_MS) {
      await process.clock.sleep(startedMs + atMs + scheduler.below(900) - scheduler.now());
      if (scheduler.chance(0.15)) outage.polls = !outage.polls;
      if (scheduler.chance(0.08)) outage.rows = !outage.rows;
      if (scheduler.chance(0.08)) outage.head = !outage.head;
      if (scheduler.chance(0.05)) verifier.cache.drop();
      if (scheduler.chance(0.05)) await freeze(scheduler, process);
      const key = scheduler.pick(keys);
      const askedMs = scheduler.now();
      const code = await codeOf(verifier, key);
      scheduler.note(`${name} ${key.keyId}: ${code}`);
      const since = deniedAtMs.get(key.keyId) ?? Number.POSITIVE_INFINITY;
      assert.ok(
        code !== 'VALID' || askedMs <= since + FRESH_MS,
        `VALID ${askedMs - since} ms after the denial was acknowledged`,
      );
    }
    outage.polls = outage.rows = outage.head = false;
    await verifier.close();
  };
  await Promise.all([noise(), denials(), rebuilds(), verifications('api1'), verifications('api2')]);
  await runners.stop();
}

export const freshnessRule = defineRule<FreshnessGuards>({
  name: 'freshness',
  says: 'no verify that starts 5 s after an acknowledged denial says VALID, whatever stalls, dies or is rebuilt',
  guards: {
    store: (store) => store,
    log: (log) => log,
    changes: (changes) => changes,
    loadRows: (load) => load,
    shared: (shared) => shared,
  },
  play,
  twins,
});
