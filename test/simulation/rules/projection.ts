/** Two runners of one projection, of which one at most may advance it, through crashes and freezes. */
import assert from 'node:assert/strict';
import type { ProjectionStore } from '../../../projections/store.ts';
import { type Position, START, type StreamId, streamId } from '../../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import {
  type MemoryProjectionDatabase,
  memoryProjectionDatabase,
} from '../../engines/memory-projection-store.ts';
import type { MemoryTx } from '../../engines/memory-transaction.ts';
import { enter } from '../entering.ts';
import { holdingBriefly, rebuildBy } from '../operator.ts';
import {
  assertRows,
  ENTRY,
  eventually,
  keepRunning,
  ledgerProjection,
  ledgersOf,
  NAME,
  rowsOf,
} from '../projection-world.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Process, Scheduler } from '../scheduler.ts';

type Store = ProjectionStore<MemoryTx>;

interface Guards {
  store(store: Store, process: Process): Store;
}

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const database = memoryProjectionDatabase({ clock: scheduler.clock });
  let broken: unknown = null;
  let lastPosition: Position = START;
  // After every commit the rows are exactly the log through the checkpoint.
  database.onCommit(() => {
    const current = database.current(NAME);
    if (!current || broken) return;
    try {
      const { position } = current.stamp;
      assert.ok(position >= lastPosition, `the projection went back from ${lastPosition} to ${position}`);
      lastPosition = position;
      const through = log.events.filter((event) => event.position <= current.stamp.position);
      assertRows(
        rowsOf(database),
        ledgersOf(through),
        `rows are not the log through ${current.stamp.position}`,
      );
    } catch (error) {
      broken = error;
    }
  });
  const runners = keepRunning(scheduler, 2, {
    database,
    log,
    projection: ledgerProjection(() => true),
    guard: guards.store,
    mishaps: scheduler.below(4),
  });
  const streams: StreamId[] = [streamId('ledger', 'a'), streamId('ledger', 'b'), streamId('ledger', 'c')];
  const total = 3 + scheduler.below(10);
  const rebuilt = rebuild(scheduler, log, database, guards);
  for (let i = 0; i < total; i++) {
    if (scheduler.chance(0.3)) await scheduler.clock.sleep(scheduler.below(1000));
    await scheduler.turn('write');
    await enter(log, scheduler, scheduler.pick(streams), scheduler.chance(0.2) ? 'other.thing' : ENTRY, {
      amount: i,
      poison: 'none',
    });
  }
  const head = () => log.events.at(-1)!.position;
  await eventually(
    scheduler,
    () => broken !== null || database.current(NAME)?.stamp.position === head(),
    'the projection never reached the head',
  );
  await rebuilt;
  await runners.stop();
  if (broken) throw broken;
  assertRows(rowsOf(database), ledgersOf(log.events), 'rows are not the log');
}

/** While the runners work and events arrive: what it swaps in must be as far as what it replaces. */
async function rebuild(
  scheduler: Scheduler,
  log: MemoryEventLog,
  database: MemoryProjectionDatabase,
  guards: Guards,
): Promise<void> {
  if (scheduler.chance(0.5)) return;
  await scheduler.clock.sleep(scheduler.below(2500));
  const process = scheduler.process('rebuild');
  const store = guards.store(
    database.connect((label) => process.turn(label)),
    process,
  );
  await rebuildBy(process, {
    projection: ledgerProjection(() => true),
    store: holdingBriefly(scheduler, store),
    log,
  }).catch((error: Error) => {
    if (error.name === 'AssertionError') throw error;
    scheduler.note(`no rebuild: ${error.message}`);
  });
}

export const projectionRule = defineRule<Guards>({
  name: 'projection',
  says: 'rows and checkpoint move together, each event once and in order, whichever runner is alive',
  guards: { store: (store) => store },
  play,
  twins: [
    {
      name: 'the checkpoint is not compared',
      breaks: 'a runner that was frozen wakes and applies events a second time',
      guards: {
        store: (store) =>
          replacing(store, {
            async advance(lease, _from, to, work) {
              const actual = (await store.revisions(lease.projection)).find(
                (r) => r.revision === lease.revision,
              )!;
              if (actual.holder === null)
                await store.acquire(lease.projection, lease.revision, lease.holder, lease.ttlMs);
              return store.advance(
                { ...lease, holder: actual.holder ?? lease.holder },
                actual.bookmark,
                to,
                work,
              );
            },
          }),
      },
    },
    {
      name: 'the checkpoint commits before the rows',
      breaks: 'a crash between the two loses events',
      guards: {
        store: (store) =>
          replacing(store, {
            async advance(lease, from, to, work) {
              await store.advance(lease, from, to, null);
              if (work) await store.advance(lease, to, to, work);
            },
          }),
      },
    },
    {
      name: 'the checkpoint commits after the rows',
      breaks: 'a crash between the two applies events twice',
      guards: {
        store: (store) =>
          replacing(store, {
            async advance(lease, from, to, work) {
              if (work) await store.advance(lease, from, from, work);
              await store.advance(lease, from, to, null);
            },
          }),
      },
    },
    {
      name: 'the swap moves the checkpoint alone to where the live one is',
      breaks: 'what came while the new tables were filled is missing in them',
      guards: {
        store: (store) =>
          replacing(store, {
            promote: (lease) =>
              store.promote(lease, async () => {
                const revisions = await store.revisions(lease.projection);
                const live = revisions.find((r) => r.state === 'current')!;
                const own = revisions.find((r) => r.revision === lease.revision)!;
                await store.advance(lease, own.bookmark, live.bookmark, null);
              }),
          }),
      },
    },
    {
      name: 'a lease never runs out',
      breaks: 'the standby waits for a dead runner for ever',
      guards: {
        store: (store) =>
          replacing(store, {
            acquire: (projection, revision, holder) => store.acquire(projection, revision, holder, 3_600_000),
          }),
      },
    },
  ],
});
