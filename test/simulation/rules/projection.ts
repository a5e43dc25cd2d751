/** Two runners of one projection, of which one at most may advance it, through crashes and freezes. */
import type { ProjectionStore } from '../../../projections/store.ts';
import { type StreamId, streamId } from '../../../schemas/envelope.ts';
import { memoryEventLog } from '../../engines/memory-event-log.ts';
import { memoryProjectionDatabase } from '../../engines/memory-projection-store.ts';
import type { MemoryTx } from '../../engines/memory-transaction.ts';
import {
  assertRows,
  ENTRY,
  enter,
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
  // After every commit the rows are exactly the log through the checkpoint.
  database.onCommit(() => {
    const current = database.current(NAME);
    if (!current || broken) return;
    try {
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
  await runners.stop();
  if (broken) throw broken;
  assertRows(rowsOf(database), ledgersOf(log.events), 'rows are not the log');
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
