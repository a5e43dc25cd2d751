/** Whoever looks after a projection that Kafka feeds: brings it back, lets parked streams go on, rebuilds, verifies. */
import { adoptEpoch } from '../../projections/adopt-epoch.ts';
import { DISCARD, REPLAY } from '../../projections/parking.ts';
import { enter } from './entering.ts';
import { type FedWorld, fedProjection } from './fed-world.ts';
import { type Operated, rebuildBy } from './operator.ts';
import { ENTRY, NAME, type RunnerPorts } from './projection-world.ts';
import type { Process } from './scheduler.ts';
import { poisonOf } from './stream-fate.ts';

/** What an operator's process works on, through ports of its own, and how to end it. */
export function operate(
  world: FedWorld,
  process: Process,
  ports: (ports: RunnerPorts) => RunnerPorts = (given) => given,
): Operated & { crash(): void } {
  const connection = world.database.connect((label) => process.turn(label));
  const { store, log } = ports({ store: connection, log: world.log, feed: null });
  return {
    projection: fedProjection(world),
    store,
    log,
    crash() {
      process.kill();
      connection.crash();
    },
  };
}

/** Times that an operator asks whether a rebuild that died is still in the way. */
const MAX_TRIES = 20;

/** What an operator does who finds the projection halted. */
export async function bringBack(world: FedWorld, mintEpoch: () => Promise<void>): Promise<void> {
  const operator = world.scheduler.process('operator');
  const operated = operate(world, operator);
  const adopted = await adoptEpoch(operated.store, operator.wrap(operated.log, 'log'), NAME);
  if (adopted.ok) return;
  // Within one epoch a rebuild would have to come as far as what the log has lost.
  await mintEpoch();
  for (let tries = 1; ; tries++) {
    try {
      await rebuildBy(operator, operated);
      return;
    } catch (error) {
      if ((error as Error).name !== 'RebuildRunning' || tries === MAX_TRIES) throw error;
      await operator.clock.sleep(1000);
    }
  }
}

/** Has one of the streams that are parked replayed, or its first event discarded; false: none is. */
export async function tendParked({ scheduler, log, database }: FedWorld): Promise<boolean> {
  const [parked] = database.current(NAME)?.data.parked.values() ?? [];
  if (!parked) return false;
  const { stream, firstVersion: version } = parked;
  const failing = log.events.find((event) => event.stream === stream && event.version === version);
  // It may be of a history that is lost.
  const isBroken = failing?.type === ENTRY && poisonOf(failing) === 'broken';
  if (isBroken) await enter(log, scheduler, stream, DISCARD, { projection: NAME, version });
  else await enter(log, scheduler, stream, REPLAY, { projection: NAME });
  return true;
}
