/**
 * The log under running processes is replaced: a failover loses its last events and reuses their positions,
 * or a restore goes back and mints a new epoch. Nothing of the lost history is served or built upon.
 */
import assert from 'node:assert/strict';
import type { ConfirmLog } from '../../../api/verify/confirm-log.ts';
import type { EventLog } from '../../../commands/event-log.ts';
import { keyStream, tenantStream } from '../../../commands/streams.ts';
import { FRESH_MS } from '../../../projections/fresh.ts';
import type { EventId, Position } from '../../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import {
  type MemoryProjectionDatabase,
  memoryProjectionDatabase,
} from '../../engines/memory-projection-store.ts';
import { rebuildBy } from '../operator.ts';
import { eventually, keepRunning } from '../projection-world.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Scheduler } from '../scheduler.ts';
import { type ToldKeys, toldKeys } from '../told-keys.ts';
import {
  append,
  changesOf,
  codeOf,
  issue,
  KEYS,
  keysProjection,
  loadRowsOf,
  type Ports,
  type SimKey,
  TENANT,
  verifierOf,
} from '../verify-world.ts';

interface Guards {
  /** The log as the runner, and as the API, sees it. */
  runnerLog(log: EventLog, database: MemoryProjectionDatabase): EventLog;
  apiLog(log: EventLog, database: MemoryProjectionDatabase): EventLog;
  /** What the API has of the log and of rows, together. */
  api(ports: Ports): Ports;
  /** Whether what the API has read from the log counts. */
  confirm(confirm: ConfirmLog): ConfirmLog;
}

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const database = memoryProjectionDatabase({ clock: scheduler.clock });
  const start = () =>
    keepRunning(scheduler, 1 + scheduler.below(2), {
      database,
      log: replacingLog(log, guards.runnerLog(log, database)),
      projection: keysProjection,
      guard: (store) => store,
      mishaps: scheduler.below(2),
    });
  let runners = start();
  let mixed: unknown = null;
  database.onCommit(() => {
    try {
      assertOneHistory(log, database);
    } catch (error) {
      mixed ??= error;
    }
  });
  const process = scheduler.process('api');
  const ports = {
    log: guards.apiLog(log as EventLog, database),
    changes: changesOf(database, { pageRows: 100, hints: scheduler.chance(0.5) }),
    loadRows: loadRowsOf(database),
  };
  const verifier = verifierOf(process, guards.api(ports));
  verifier.start();
  const told = toldKeys(process, ports.log, database, guards.confirm(verifier.confirm));

  await append(log, scheduler, tenantStream(TENANT), 'tenant.created', {
    tenantId: TENANT,
    slug: 'default',
    name: null,
  });
  const keys: SimKey[] = [];
  for (let i = 0; i < 3; i++) {
    keys.push(await issue(log, scheduler, i));
    if (scheduler.chance(0.5)) await scheduler.clock.sleep(scheduler.below(800));
  }
  for (const key of keys) {
    if (scheduler.chance(0.5)) await codeOf(verifier, key);
    if (scheduler.chance(0.5)) await told.ask(key);
  }

  // New events come in the places of the lost ones.
  await scheduler.turn('failover');
  const projectorDies = scheduler.chance(0.4);
  if (projectorDies) await runners.stop();
  // In the middle of a transaction it may be: what the log loses meanwhile is committed afterwards.
  else if (scheduler.chance(0.2)) void runners.freeze(3000 + scheduler.below(5000));
  const before = log.events.length;
  log.truncateTail(1 + scheduler.below(3));
  const restored = scheduler.chance(0.3);
  if (restored) log.newEpoch();
  scheduler.note(`${before - log.events.length} events lost${restored ? ', new epoch' : ''}`);
  const changedAtMs = scheduler.now();
  for (let i = 0; i < scheduler.below(5); i++) {
    if (scheduler.chance(0.4)) await scheduler.clock.sleep(scheduler.below(900));
    const { keyId } = keys[0]!;
    if (exists(log, keyId))
      await append(log, scheduler, keyStream(keyId), 'key.scopes-changed', { scopes: [] });
    else await append(log, scheduler, tenantStream(TENANT), 'tenant.resumed', { reason: null });
  }
  // Reading goes on all the while; 5 s later every answer is of the history that is.
  for (let i = 0; i < 4; i++) {
    const askedMs = scheduler.now();
    const key = scheduler.pick(keys);
    const code = await codeOf(verifier, key);
    await told.ask(scheduler.pick(keys));
    const wrong = code === 'VALID' && !exists(log, key.keyId);
    assert.ok(
      !wrong || askedMs <= changedAtMs + FRESH_MS,
      `a key that the log does not know is VALID ${askedMs - changedAtMs} ms after the failover`,
    );
    await scheduler.clock.sleep(1500 + scheduler.below(1500));
  }
  if (mixed) throw mixed;
  if (projectorDies) runners = start();

  // What halted says so; a new epoch and a rebuild bring it back.
  const atHead = () =>
    database.current(KEYS)?.stamp.position === log.events.at(-1)!.position &&
    database.current(KEYS)?.halted === null;
  await eventually(
    scheduler,
    () => mixed !== null || atHead() || database.current(KEYS)?.halted != null,
    'a projection over a lost history neither goes on nor halts',
  );
  if (mixed) throw mixed;
  if (database.current(KEYS)?.halted != null) {
    log.newEpoch();
    await rebuild(scheduler, log, database);
  }
  await eventually(
    scheduler,
    () => mixed !== null || atHead(),
    'a rebuild does not bring the projection back',
  );
  if (mixed) throw mixed;
  await recovers(scheduler, verifier, told, log, database, keys);
  await verifier.close();
  await runners.stop();
}

/** The API is right again by itself, however it met the failover. */
async function recovers(
  scheduler: Scheduler,
  verifier: ReturnType<typeof verifierOf>,
  told: ToldKeys,
  log: MemoryEventLog,
  database: MemoryProjectionDatabase,
  keys: readonly SimKey[],
): Promise<void> {
  let codes: string[] = [];
  // Where time passes at every step, one poll takes seconds.
  for (let tries = 0; tries < 100; tries++) {
    codes = await Promise.all(keys.map((key) => codeOf(verifier, key)));
    const right = keys.every((key, i) => codes[i] === (exists(log, key.keyId) ? 'VALID' : 'NOT_FOUND'));
    if (right) return assertTold(told, log, keys);
    await scheduler.clock.sleep(1000);
    // A process that saw a history vanish within one epoch trusts none of it: only a new epoch helps.
    if (tries === 8) {
      log.newEpoch();
      await rebuild(scheduler, log, database);
    }
  }
  assert.fail(`the API does not find back to the truth: ${codes.join(', ')}`);
}

/** Where time passes at every step the log may not answer in time. */
async function assertTold(told: ToldKeys, log: MemoryEventLog, keys: readonly SimKey[]): Promise<void> {
  for (const key of keys) assert.notEqual(await told.ask(key), !exists(log, key.keyId));
}

async function rebuild(
  scheduler: Scheduler,
  log: MemoryEventLog,
  database: MemoryProjectionDatabase,
): Promise<void> {
  const operator = scheduler.process('operator');
  const store = database.connect((label) => operator.turn(label));
  await rebuildBy(operator, { projection: keysProjection, store, log });
}

function exists(log: MemoryEventLog, keyId: string): boolean {
  return log.events.some((event) => event.stream === keyStream(keyId) && event.type === 'key.issued');
}

/** Rows are a fold of what the log holds now through the checkpoint, unless the checkpoint is of a lost history. */
function assertOneHistory(log: MemoryEventLog, database: MemoryProjectionDatabase): void {
  const current = database.current(KEYS);
  if (!current) return;
  const { position, eventId } = current.stamp;
  const at = log.events.findIndex((event) => event.position === position);
  if (eventId !== null && log.events[at]?.id !== eventId) return;
  const versions = new Map<string, number>();
  for (const event of log.events.slice(0, at + 1)) versions.set(event.stream, event.version);
  const rows = current.data.tables.get('states') ?? new Map();
  for (const [stream, row] of rows) {
    assert.equal(
      (row as { version: number }).version,
      versions.get(stream),
      `${stream} holds events of a lost history`,
    );
  }
}

function replacingLog(log: MemoryEventLog, guarded: EventLog): MemoryEventLog {
  return replacing(log, { eventIdAt: (p: Position) => guarded.eventIdAt(p), head: () => guarded.head() });
}

export const epochsRule = defineRule<Guards>({
  name: 'epochs',
  says: 'a log that loses its tail or is restored halts what was built on the loss, and nothing lost is served after 5 s',
  guards: {
    runnerLog: (log) => log,
    apiLog: (log) => log,
    api: (ports) => ports,
    confirm: (confirm) => confirm,
  },
  play,
  twins: [
    {
      name: 'a runner compares positions, not events',
      breaks: 'positions that the log reuses are taken for what was applied before',
      guards: {
        runnerLog: (log, database) =>
          replacing(log, { eventIdAt: async () => database.current(KEYS)?.stamp.eventId ?? null }),
      },
    },
    {
      name: 'a runner remembers what it compared',
      breaks: 'a failover between two batches goes unnoticed',
      guards: { runnerLog: remembering },
    },
    {
      name: 'the API compares positions, not events',
      breaks: 'a key that the log has lost stays VALID',
      guards: {
        apiLog: (log, database) => {
          const seen = new Map<Position, EventId | null>();
          database.onCommit(() => {
            const stamp = database.current(KEYS)?.stamp;
            if (stamp) seen.set(stamp.position, stamp.eventId);
          });
          return replacing(log, {
            eventIdAt: async (position: Position) => seen.get(position) ?? log.eventIdAt(position),
          });
        },
      },
    },
    {
      name: 'a row is used before the log has confirmed its stamp',
      breaks:
        'a projector that stood still commits a key that the log has lost, and it is VALID until the next poll',
      guards: { api: confirmingUnasked },
    },
    {
      name: 'what was read from the log is told without asking it again',
      breaks: 'a key that the log has lost has no history, and does not exist for who changes it',
      guards: { confirm: () => async () => {} },
    },
  ],
});

/** As if the log had been asked, and had agreed, when it is asked first after a row was read. */
function confirmingUnasked(ports: Ports): Ports {
  const read = new Map<Position, EventId | null>();
  return {
    ...ports,
    log: replacing(ports.log, {
      async eventIdAt(position: Position) {
        const eventId = read.get(position);
        if (eventId === undefined) return ports.log.eventIdAt(position);
        read.delete(position);
        return eventId;
      },
    }),
    async loadRows(lookups) {
      const rows = await ports.loadRows(lookups);
      read.set(rows.stamp.position, rows.stamp.eventId);
      return rows;
    },
  };
}

function remembering(log: EventLog): EventLog {
  const known = new Map<Position, EventId | null>();
  return replacing(log, {
    async eventIdAt(position: Position) {
      if (!known.has(position)) known.set(position, await log.eventIdAt(position));
      return known.get(position)!;
    },
  });
}
