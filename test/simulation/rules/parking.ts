/** Poison: a stream that fails waits in order, others flow; replay, discard and rebuild bring it back. */
import assert from 'node:assert/strict';
import { DISCARD, REPLAY } from '../../../projections/parking.ts';
import type { Applies } from '../../../projections/projection.ts';
import type { ParkedStream, ProjectionStore } from '../../../projections/store.ts';
import { type EventId, type StreamId, streamId } from '../../../schemas/envelope.ts';
import { type MemoryEventLog, memoryEventLog } from '../../engines/memory-event-log.ts';
import {
  type MemoryProjectionDatabase,
  memoryProjectionDatabase,
} from '../../engines/memory-projection-store.ts';
import type { MemoryTx } from '../../engines/memory-transaction.ts';
import { changedAdvance, withoutSavepoint } from '../changed-advance.ts';
import { enter } from '../entering.ts';
import { rebuildBy } from '../operator.ts';
import { decodePlain } from '../plain-codec.ts';
import {
  assertRows,
  ENTRY,
  eventually,
  keepRunning,
  type Ledger,
  ledgerProjection,
  ledgersOf,
  NAME,
  type Poison,
  rowsOf,
} from '../projection-world.ts';
import { replacing } from '../replacing.ts';
import { defineRule } from '../rule.ts';
import type { Process, Scheduler } from '../scheduler.ts';

type Store = ProjectionStore<MemoryTx>;

interface Guards {
  store(store: Store, process: Process, scheduler: Scheduler): Store;
  /** What an operator does to bring a parked stream back. */
  replay(world: World, parked: ParkedStream): Promise<unknown>;
}

interface World {
  readonly scheduler: Scheduler;
  readonly log: MemoryEventLog;
  readonly database: MemoryProjectionDatabase;
  readonly operator: Store;
}

async function play(scheduler: Scheduler, guards: Guards): Promise<void> {
  const log = memoryEventLog({ clock: scheduler.clock });
  const database = memoryProjectionDatabase({ clock: scheduler.clock });
  const process = scheduler.process('operator');
  const world: World = {
    scheduler,
    log,
    database,
    operator: database.connect((label) => process.turn(label)),
  };
  let mended = false;
  const projection = ledgerProjection(() => mended);
  const runners = keepRunning(scheduler, 2, {
    database,
    log,
    projection,
    guard: (store, p) => guards.store(store, p, scheduler),
    mishaps: scheduler.below(3),
  });
  const streams: StreamId[] = [streamId('ledger', 'a'), streamId('ledger', 'b'), streamId('ledger', 'c')];
  const write = async (count: number, poisons: readonly Poison[]) => {
    for (let i = 0; i < count; i++) {
      await scheduler.turn('write');
      await enter(log, scheduler, scheduler.pick(streams), ENTRY, {
        amount: i,
        poison: scheduler.pick(poisons),
      });
    }
  };
  const reached = () => database.current(NAME)?.stamp.position === log.events.at(-1)!.position;

  await write(3 + scheduler.below(8), ['none', 'none', 'bug', 'broken']);
  await eventually(scheduler, reached, 'the projection never reached the head');
  checkParked(world, new Set(), false);

  // The bug is mended and every runner restarted; writers go on while an operator replays and discards.
  mended = true;
  runners.restart();
  const later = write(scheduler.below(6), ['none']);
  const discarded = new Set<EventId>();
  for (let round = 0; round < 40; round++) {
    const [stuck] = await world.operator.parked(NAME, { limit: 1 });
    if (!stuck) break;
    const failing = decodePlain(
      log.events.find((e) => e.stream === stuck.stream && e.version === stuck.firstVersion)!,
    );
    if ((failing.data as { poison: Poison }).poison === 'broken') {
      discarded.add(failing.id);
      await enter(log, scheduler, stuck.stream, DISCARD, { projection: NAME, version: stuck.firstVersion });
    } else {
      await guards.replay(world, stuck);
    }
    await eventually(scheduler, reached, 'the projection never reached the head');
  }
  await later;
  await eventually(scheduler, reached, 'the projection never reached the head');
  checkParked(world, discarded, true);
  assert.equal(database.current(NAME)!.data.parked.size, 0, 'a stream stayed parked');
  assertRows(
    rowsOf(database),
    ledgersOf(log.events, discarded),
    'after replay and discard the rows are not the log less what was discarded',
  );

  // A rebuild by the same code meets the same discards.
  const live = rowsOf(database);
  await rebuildBy(process, { projection, store: database.connect((label) => process.turn(label)), log });
  await runners.stop();
  assertRows(rowsOf(database), live, 'the rebuilt rows are not the live ones');
}

/** A parked stream shows exactly what came before its poison; every other shows all. */
function checkParked({ database, log }: World, discarded: ReadonlySet<EventId>, mended: boolean): void {
  const { data } = database.current(NAME)!;
  const expected = new Map<string, Ledger>();
  const parked = new Set<string>();
  for (const event of log.events) {
    if (event.type !== ENTRY || parked.has(event.stream) || discarded.has(event.id)) continue;
    const { amount, poison } = decodePlain(event).data as { amount: number; poison: Poison };
    if (poison === 'broken' || (poison === 'bug' && !mended)) {
      parked.add(event.stream);
      continue;
    }
    const row = expected.get(event.stream) ?? { versions: [], sum: 0 };
    expected.set(event.stream, { versions: [...row.versions, event.version], sum: row.sum + amount });
  }
  assert.deepEqual(
    [...data.parked.keys()].sort(),
    [...parked].sort(),
    'other streams are parked than those that fail',
  );
  assertRows(rowsOf(database), expected, 'a parked stream does not show exactly what came before');
}

/** The bracketed schedule of the rule: a replay by hand that races the runner. */
async function replayByHand({ log, operator, scheduler }: World, stuck: ParkedStream): Promise<void> {
  const waiting = (await log.readStream(stuck.stream, { after: stuck.firstVersion - 1 })).map(decodePlain);
  for (let steps = scheduler.below(20); steps > 0; steps--) await scheduler.turn('by hand');
  const revision = (await operator.revisions(NAME)).find((r) => r.state === 'current')!;
  const projection: Applies<MemoryTx> = ledgerProjection(() => true);
  const lease = {
    projection: NAME,
    revision: revision.revision,
    holder: revision.holder ?? 'nobody',
    ttlMs: 1500,
  };
  const good = waiting.filter((e) => e.type === ENTRY && (e.data as { poison: Poison }).poison !== 'broken');
  await operator
    .advance(lease, revision.bookmark, revision.bookmark, async (advance) => {
      await projection.apply(advance.tx, advance.tables, good);
      await advance.unpark(stuck.stream);
    })
    .catch(() => undefined);
}

export const parkingRule = defineRule<Guards>({
  name: 'parking',
  says: 'a stream that fails waits in order while others flow, and comes back whole by replay, discard or rebuild',
  guards: {
    store: (store) => store,
    replay: ({ log, scheduler }, parked) =>
      enter(log, scheduler, parked.stream, REPLAY, { projection: NAME }),
  },
  play,
  twins: [
    {
      name: 'the parked list is forgotten on a take-over',
      breaks: 'events behind a poison are applied as if it were not there',
      guards: {
        store: (store) =>
          replacing(store, {
            async acquire(...args) {
              const answer = await store.acquire(...args);
              return answer.kind === 'held' ? { ...answer, parked: [] } : answer;
            },
          }),
      },
    },
    {
      name: 'a lost connection counts as poison',
      breaks: 'a healthy stream is parked',
      guards: {
        store: (store, _process, scheduler) =>
          replacing(
            changedAdvance(store, ({ tx }) => ({ tx: flaky(tx, scheduler) })),
            { isTransient: () => false },
          ),
      },
    },
    {
      name: 'replay by hand, outside the runner',
      breaks: 'it races the runner and loses an event',
      guards: { replay: replayByHand },
    },
    {
      name: 'parking without a savepoint',
      breaks: 'half of what a failing event wrote stays',
      guards: {
        store: (store) => changedAdvance(store, withoutSavepoint),
      },
    },
  ],
});

function flaky(tx: MemoryTx, scheduler: Scheduler): MemoryTx {
  return {
    ...tx,
    async put(...args) {
      if (scheduler.chance(0.2)) throw new Error('the connection is lost');
      return tx.put(...args);
    },
  };
}
