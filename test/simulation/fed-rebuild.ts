/** A rebuild with its swap, and a comparison with the log, of a projection that Kafka feeds. */
import { verifyProjection } from '../../projections/verify-projection.ts';
import type { Struck } from './fed-fate.ts';
import { operate } from './fed-operator.ts';
import { type FedWorld, write } from './fed-world.ts';
import { holdingBriefly, operatorDeps, rebuildBy } from './operator.ts';
import { NAME } from './projection-world.ts';
import { replacing } from './replacing.ts';

/** How long most of them wait for it to be fed. */
const MAX_WAIT_MS = 4_000;

async function untilFed({ scheduler, database }: FedWorld): Promise<void> {
  if (scheduler.chance(0.2)) return;
  for (let waited = 0; waited < MAX_WAIT_MS && database.current(NAME)?.feed == null; waited += 100) {
    await scheduler.clock.sleep(100);
  }
}

/** One member stands still while others go on: then the places are apart. */
async function setApart({ world, projectors }: Struck): Promise<void> {
  const { scheduler } = world;
  const members = projectors.processes();
  if (members.length < 2 || scheduler.chance(0.3)) return;
  const member = scheduler.pick(members);
  member.frozen = true;
  const thaw = async () => {
    await scheduler.clock.sleep(500 + scheduler.below(2000));
    member.frozen = false;
  };
  void thaw();
  for (let events = 1 + scheduler.below(3); events > 0; events--) await write(world);
  await scheduler.clock.sleep(scheduler.below(300));
}

/** It may die at any step; else it ends with a swap, unless the log is replaced under it. */
export async function rebuildFed(struck: Struck): Promise<void> {
  const { world, applied, ports } = struck;
  const { scheduler } = world;
  await untilFed(world);
  const process = scheduler.process('rebuild');
  const operated = operate(world, process, ports);
  const { promise: death, resolve: died } = Promise.withResolvers<'died'>();
  const crash = () => {
    operated.crash();
    died('died');
  };
  world.operators.add(crash);
  const dies = async () => {
    for (let steps = scheduler.below(100); steps > 0; steps--) await scheduler.turn('fate');
    crash();
  };
  if (scheduler.chance(0.25)) void dies();
  const store = holdingBriefly(
    scheduler,
    replacing(operated.store, {
      // The rebuild may be behind them then.
      async promote(...args) {
        if (scheduler.chance(0.7)) await setApart(struck);
        return operated.store.promote(...args);
      },
    }),
  );
  try {
    const how = await Promise.race([rebuildBy(process, { ...operated, store }), death]);
    scheduler.note(`the rebuild: ${how}`);
  } catch (error) {
    const { name, message } = error as Error;
    scheduler.note(`no rebuild: ${message}`);
    if (name !== 'RebuildRunning' && !applied.isReplaced()) throw error;
  } finally {
    world.operators.delete(crash);
  }
}

/** A stream that waits for a replay is a difference to code that could apply it: then nothing is compared. */
export async function verifyFed(struck: Struck): Promise<void> {
  const { world, applied, ports } = struck;
  const { scheduler, database, code } = world;
  await untilFed(world);
  await setApart(struck);
  if (!code.mended || database.current(NAME)?.data.parked.size !== 0) return;
  const process = scheduler.process('verify');
  const { signal } = new AbortController();
  const found = await verifyProjection(operatorDeps(process, operate(world, process, ports)), {
    holder: process.name,
    signal,
  }).catch((error: Error) => {
    // What it compares may be swapped out and dropped meanwhile.
    scheduler.note(`nothing compared: ${error.message}`);
    return null;
  });
  scheduler.note(`compared: ${found?.differences}`);
  if (found && found.differences > 0 && !applied.isReplaced()) {
    throw new Error(`${found.differences} rows differ from the log at ${found.position}`);
  }
}
